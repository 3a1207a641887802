/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roundtrip.h - whether policies stay the same through the printers and readers.
 */
#ifndef CEDAR_TEST_ROUNDTRIP_H
#define CEDAR_TEST_ROUNDTRIP_H

#include "cedar.h"

/*
 * Prints the policies as text, as JSON and by the formatter, reads each again and compares the
 * trees. Returns NULL if all are the same, else what changed them.
 */
const char *roundtrip(struct cedar_names *names, const struct cedar_policies *policies);

#endif
