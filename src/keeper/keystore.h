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
/* Another one's store (JKS), with the certificates of `pem` added. False: it is of another type;
 * *out is as it was. */
bool keystore_add(struct str store, struct str pem, struct buf *out);

#endif
