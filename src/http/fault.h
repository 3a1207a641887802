/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - all that can be wrong with a message, from one table.
 *
 * The status is what a server answers with; the text says what is wrong in words for the record and
 * for whoever sent it.
 */
#ifndef BELAY_HTTP_FAULT_H
#define BELAY_HTTP_FAULT_H

/* X(name, status, text) */
#define HTTP_FAULTS(X)                                                                          \
    X(HTTP_FINE, 0, "nothing is wrong")                                                         \
    /* lines */                                                                                 \
    X(HTTP_BARE_LF, 400, "a line ends with LF alone")                                           \
    X(HTTP_HEAD_LARGE, 431, "the head is too large")                                            \
    X(HTTP_FIELDS_MANY, 431, "too many fields")                                                 \
    X(HTTP_FIELD_FOLD, 400, "a field is folded, or begins with a blank")                        \
    X(HTTP_FIELD_NAME, 400, "a field has no name, or one with characters no name has")          \
    X(HTTP_FIELD_VALUE, 400, "a field value holds a control character")                         \
    /* the start line */                                                                        \
    X(HTTP_START_LINE, 400, "the first line is none of HTTP")                                   \
    X(HTTP_VERSION, 505, "a version of HTTP that is not spoken here")                           \
    X(HTTP_METHOD, 400, "a method that is no word in upper case")                               \
    X(HTTP_CONNECT, 501, "tunnels (CONNECT) are not made here")                                 \
    X(HTTP_TARGET, 400, "a target that is neither a path nor the URL of this host")             \
    X(HTTP_TARGET_LONG, 414, "the target is too long")                                          \
    X(HTTP_SCHEME, 400, "a scheme that is not this connection's")                               \
    X(HTTP_STATUS, 502, "a status that is none")                                                \
    /* whom it is for */                                                                        \
    X(HTTP_HOST_MISSING, 400, "no host is named")                                               \
    X(HTTP_HOST_TWICE, 400, "more than one Host")                                               \
    X(HTTP_HOST_BAD, 400, "a Host that is no host[:port]")                                      \
    X(HTTP_HOST_DIFFERS, 400, "Host and the target name different hosts")                       \
    /* how long it is */                                                                        \
    X(HTTP_LENGTH_BAD, 400, "a Content-Length that is no number")                               \
    X(HTTP_LENGTH_TWICE, 400, "more than one Content-Length")                                   \
    X(HTTP_LENGTH_CHUNKED, 400, "Content-Length beside Transfer-Encoding")                      \
    X(HTTP_LENGTH_NO_BODY, 400, "a length where no body can be")                                \
    X(HTTP_CODING, 501, "a Transfer-Encoding other than chunked")                               \
    X(HTTP_CODING_TWICE, 400, "more than one Transfer-Encoding")                                \
    X(HTTP_CODING_OLD, 400, "Transfer-Encoding in HTTP/1.0")                                    \
    X(HTTP_CHUNK_SIZE, 400, "a chunk size that is no number, or too large")                     \
    X(HTTP_CHUNK_EXTENSION, 400, "a chunk extension that is malformed, or too much of them")    \
    X(HTTP_CHUNK_END, 400, "a chunk that does not end where its size says")                     \
    X(HTTP_TRAILER_FIELD, 400, "a trailer that belongs into the head")                          \
    /* the connection */                                                                        \
    X(HTTP_NAME_LIKE, 400, "a field name that some take for one about lengths or hosts")        \
    X(HTTP_CONNECTION, 400, "a Connection field that is malformed, or removes what it may not") \
    X(HTTP_CONNECTION_H2, 400, "a field about the connection in HTTP/2")                        \
    X(HTTP_EXPECT, 417, "an expectation other than 100-continue")                               \
    X(HTTP_UPGRADE, 502, "a switch to a protocol that was not asked for")                       \
    X(HTTP_INFORMATIONAL, 502, "too many informational responses")                              \
    X(HTTP_UNASKED, 502, "a response without a request")                                        \
    X(HTTP_CUT, 502, "the connection ended within a message")                                   \
    X(HTTP_PSEUDO, 400, "pseudo-header fields missing, repeated or unknown")                    \
    X(HTTP_FLOOD, 429, "too many frames that carry nothing")                                    \
    X(HTTP_H2, 400, "what was sent is not HTTP/2")

enum http_fault {
#define X(name, status, text) name,
    HTTP_FAULTS(X)
#undef X
};

const char *http_fault_text(enum http_fault f); /* static */
unsigned http_fault_status(enum http_fault f);
const char *http_fault_name(enum http_fault f); /* "HTTP_BARE_LF" */

#endif
