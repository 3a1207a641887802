/* SPDX-License-Identifier: Apache-2.0 */
#include "attack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int effect_if(bool ok)
{
    return ok ? EFFECT : REFUSED;
}

int effect_if_known(bool ok)
{
    bool unknown = errno == ENOSYS || errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT ||
                   (geteuid() != 0 && (errno == EPERM || errno == EACCES));

    if (ok)
        return EFFECT;
    return unknown && getenv("BELAY_SESSION") == NULL ? UNAVAILABLE : REFUSED;
}

static const struct attack *find(const char *name)
{
    static const struct attack *const themes[] = {kernel_attacks,  namespace_attacks,
                                                  process_attacks, file_attacks,
                                                  socket_attacks,  race_attacks};

    for (size_t i = 0; i < sizeof(themes) / sizeof(themes[0]); i++)
        for (const struct attack *a = themes[i]; a->name != NULL; a++)
            if (strcmp(a->name, name) == 0)
                return a;
    return NULL;
}

int main(int argc, char **argv)
{
    const struct attack *a = argc > 1 ? find(argv[1]) : NULL;

    if (a == NULL || argc - 2 < a->needs) {
        fprintf(stderr, "no attack of this name, or arguments are missing\n");
        return MISUSED;
    }
    alarm(20);
    errno = 0;
    int result = a->run(argv + 2);
    int error = errno;
    printf("%s %s%s\n", a->name,
           result == EFFECT    ? "had its effect"
           : result == REFUSED ? "was refused: "
                               : "cannot be done here: ",
           result == EFFECT ? "" : strerror(error));
    return result;
}
