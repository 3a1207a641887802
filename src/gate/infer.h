/* SPDX-License-Identifier: Apache-2.0 */
/*
 * infer.h - requests to model APIs, as filters of an exchange (filter.h).
 *
 * The request's body is read as it comes and kept (a long one goes on but for its last byte,
 * without which nobody acts on it) until the judge has allowed the inference:
 *
 *   infer  Model "PROVIDER/MODEL", op "request", tools, streaming
 *   infer  the same, op "bulk"        a batch and the like, whose answer is not followed
 *   infer  the same, op "stream"      now and then while the answer comes, when the verdict on the
 *                                     first one said DUTY_METER
 *
 * A request that cannot be read in one way (two members of one name, a compression that is neither gzip
 * nor zstd) is refused. The
 * answer is metered: NOTE "usage". Each tool use in it is an intent:
 *
 *   call   Tool "SERVER/NAME", op "intent", arguments
 *
 * "agent" is the server of what the client runs; mcp__S__T of a client is S/T; what runs at the
 * provider is of the provider, or of the server that the provider asks. With DUTY_CALLS on the
 * request's verdict a tool use is kept back until it is judged, and one that is refused is replaced
 * by text; else intents are only recorded and nothing waits.
 */
#ifndef BELAY_GATE_INFER_H
#define BELAY_GATE_INFER_H

#include "gate/filter.h"

struct filter *infer_filter(const struct filter_context *c); /* a filter_maker */

/* A websocket to a model API: nobody follows what is said there. NULL: this is none. */
const char *infer_socket(const struct http_head *request);

#endif
