/* SPDX-License-Identifier: Apache-2.0 */
/* belay.yaml: whatever is read lies in its range; whatever is not says why. */
#include "policy/place.h"
#include "policy/settings.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is read names one source and places, and can be written into a header. */
static void check_credential(const struct settings *s, const struct settings_credential *c)
{
    const char *env = settings_credential_env(c), *format = settings_credential_format(c);

    assert((c->from_env != NULL) + (c->from_file != NULL) + (c->from_command.n > 0) == 1);
    assert(c->to.n > 0 && c->to.n <= SETTINGS_PLACES_MAX);
    for (size_t i = 0; i < c->to.n; i++) {
        struct place p;
        bool good = place_read(str_of(c->to.item[i]), &p);

        assert(good && p.port > 0 && p.host.n > 0 && p.path.p[0] == '/');
    }
    assert(strpbrk(settings_credential_header(c), " :\r\n") == NULL);
    assert(strpbrk(format, "\r\n") == NULL && strstr(format, "%s") != NULL);
    assert(env == NULL || !settings_env_passes(s, env));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s;
    struct err e = {0};

    settings_default(&s);
    if (settings_parse(&s, "belay.yaml", (struct str){(const char *)data, size}, &e)) {
        assert(s.ask_timeout >= 1 && s.ask_timeout <= 86400);
        assert(s.limit_file_size >= 0 && s.limit_file_size <= (int64_t)1 << 50);
        for (size_t i = 0; i < s.env_pass.n; i++)
            assert(s.env_pass.item[i][0] != '\0' && strpbrk(s.env_pass.item[i], "= \n") == NULL);
        for (size_t i = 0; i < s.ncredentials; i++)
            check_credential(&s, &s.credentials[i]);
        (void)settings_env_passes(&s, "PATH");
    } else {
        assert(e.code == EX_POLICY && strlen(e.text) < ERR_TEXT_MAX && e.text[0] != '\0');
    }
    settings_free(&s);
    return 0;
}
