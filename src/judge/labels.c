/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/labels.h"

#include <string.h>

bool labels_add(struct labels *l, struct str name)
{
    if (name.n == 0 || name.n > LABELS_NAME_MAX || l->n == LABELS_MAX)
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (str_is(name, l->name[i]))
            return false;
    memcpy(l->name[l->n], name.p, name.n);
    l->name[l->n++][name.n] = '\0';
    return true;
}

void labels_take(struct labels *l, const struct policy *p, uint64_t bits)
{
    for (unsigned i = 0; bits >> i != 0; i++)
        if ((bits >> i & 1) != 0)
            (void)labels_add(l, policy_label_name(p, i));
}

uint64_t labels_bits(const struct labels *l, const struct policy *p)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < l->n; i++) {
        int bit = policy_label(p, str_of(l->name[i]));

        if (bit >= 0)
            bits |= (uint64_t)1 << bit;
    }
    return bits;
}
