/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - runs a fuzz target over files, without libFuzzer: every build repeats the seeds and
 * what was found before. Arguments: files and folders. TAP, one test for each argument.
 */
#include "base/fd.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
    AUTO_BUF struct buf b;
    struct err e;

    buf_init(&b, 16 << 20);
    if (!fd_read_file(path, &b, &e)) {
        printf("# %s\n", e.text);
        return false;
    }
    /* a copy of the exact size, so that a sanitizer sees a read past the end */
    uint8_t *p = malloc(b.n > 0 ? b.n : 1);

    if (p == NULL)
        return false;
    if (b.n > 0)
        memcpy(p, b.p, b.n);
    LLVMFuzzerTestOneInput(p, b.n);
    free(p);
    return true;
}

static bool replay(const char *path)
{
    struct stat st;
    bool ok = true;
    size_t n = 0;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return replay_file(path);
    DIR *d = opendir(path);

    if (d == NULL)
        return false;
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        char full[4096];

        if (f->d_name[0] == '.')
            continue;
        snprintf(full, sizeof(full), "%s/%s", path, f->d_name);
        ok = replay_file(full) && ok;
        n++;
    }
    closedir(d);
    printf("# %zu files\n", n);
    return ok && n > 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        bool ok = replay(argv[i]);

        printf("%sok %d - %s\n", ok ? "" : "not ", i, argv[i]);
        failed += !ok;
    }
    return failed == 0 && argc > 1 ? 0 : 1;
}
