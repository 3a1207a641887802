/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/sniff.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* Clients of these speak first, in letters. */
static const char *const others[] = {"SSH-", "AMQP"};

enum sniff sniff(const uint8_t *p, size_t n, struct sni *sni)
{
    if (n == 0)
        return SNIFF_MORE;
    switch (sni_parse(p, n, sni)) {
    case SNI_MORE:
        return SNIFF_MORE;
    case SNI_OK:
        return SNIFF_TLS;
    case SNI_BAD:
        return SNIFF_BAD;
    case SNI_NOT_TLS:
        break;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        size_t whole = strlen(others[i]), have = n < whole ? n : whole;

        if (memcmp(p, others[i], have) == 0)
            return have == whole ? SNIFF_OTHER : SNIFF_MORE;
    }
    return isalpha(p[0]) || isspace(p[0]) ? SNIFF_HTTP : SNIFF_OTHER;
}
