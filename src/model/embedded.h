/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embedded.h - policies/prices.txt as a part of the binary; made by tools/embed.
 */
#ifndef BELAY_MODEL_EMBEDDED_H
#define BELAY_MODEL_EMBEDDED_H

#include "base/text.h"

extern const struct str embedded_prices;

#endif
