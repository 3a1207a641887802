/* SPDX-License-Identifier: Apache-2.0 */
#include "ast.h"

const struct cedar_call_info cedar_calls[CALL_COUNT] = {
#define CALL(id, name, is_method, arity, is_builtin)                                               \
    [CALL_##id] = {name, is_method, arity, is_builtin},
#include "calls.def"
#undef CALL
};

enum cedar_call cedar_call_find(struct cedar_str name, bool is_method)
{
    int i = 0;

    while (i < CALL_COUNT && !(cedar_calls[i].is_method == is_method &&
                               cedar_str_eq(name, cedar_str(cedar_calls[i].name))))
        i++;
    return (enum cedar_call)i;
}
