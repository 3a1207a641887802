/* SPDX-License-Identifier: Apache-2.0 */
#include "http/fault.h"

static const struct {
    const char *name, *text;
    unsigned status;
} faults[] = {
#define X(name, status, text) {#name, text, status},
    HTTP_FAULTS(X)
#undef X
};

const char *http_fault_text(enum http_fault f)
{
    return faults[f].text;
}

unsigned http_fault_status(enum http_fault f)
{
    return faults[f].status;
}

const char *http_fault_name(enum http_fault f)
{
    return faults[f].name;
}
