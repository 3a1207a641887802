/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keystore.h - authorities in the form that Java reads: a keystore of the type JKS.
 */
#ifndef BELAY_KEEPER_KEYSTORE_H
#define BELAY_KEEPER_KEYSTORE_H

#include "base/text.h"

/* From PEM. The password is the one that Java's own store has. False: there is no certificate in
 * it. */
bool keystore_make(struct str pem, struct buf *out);

#endif
