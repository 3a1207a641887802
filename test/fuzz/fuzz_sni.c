/* SPDX-License-Identifier: Apache-2.0 */
/* TLS greetings: a prefix of one that is accepted asks for more, until the greeting is whole. */
#include "gate/sni.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size > 0 ? size : 1);
    struct sni sni, part;
    struct name again;

    if (p == NULL)
        return 0;
    memcpy(p, data, size);
    if (sni_parse(p, size, &sni) == SNI_OK) {
        if (sni.present) {
            assert(name_from_text(name_str(&sni.name), &again) && name_eq(&sni.name, &again));
            assert(sni_objection(&sni, name_str(&sni.name), true, 443) == NULL);
            assert(sni_objection(&sni, STR("other.example"), true, 443) != NULL ||
                   str_is(name_str(&sni.name), "other.example"));
        }
        bool whole = false;
        for (size_t i = 1; i < size; i += 1 + size / 64) {
            enum sni_result r = sni_parse(p, i, &part);
            assert(r == (whole ? SNI_OK : SNI_MORE) || (!whole && r == SNI_OK));
            whole = r == SNI_OK;
            assert(!whole || part.present == sni.present);
        }
    }
    free(p);
    return 0;
}
