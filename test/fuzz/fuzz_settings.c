/* SPDX-License-Identifier: Apache-2.0 */
/* belay.yaml: whatever is read lies in its range; whatever is not says why. */
#include "policy/settings.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        (void)settings_env_passes(&s, "PATH");
    } else {
        assert(e.code == EX_POLICY && strlen(e.text) < ERR_TEXT_MAX && e.text[0] != '\0');
    }
    settings_free(&s);
    return 0;
}
