/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - bounded messages between roles, over SOCK_SEQPACKET sockets.
 *
 * A frame is one packet: a header of 16 bytes (magic, type, length of the body, id; all
 * little endian) and a body of fields. A field is a tag (1 byte), a kind (1 byte), two
 * zero bytes, a length (4 bytes) and that many bytes. The packet boundary is the frame
 * boundary: nothing is reassembled, a packet of another length is an error, and an error
 * on a role's socket is the end of that role. Layout: PROTOCOL.md.
 *
 * Writing past the limit sets `full`; such a frame is not sent. Reading checks every
 * length before use; unknown kinds are errors.
 */
#ifndef BELAY_BASE_FRAME_H
#define BELAY_BASE_FRAME_H

#include "base/err.h"
#include "base/text.h"

#include <stdint.h>

#define FRAME_MAGIC    0x79616c62u /* "blay" */
#define FRAME_MAX      163840u     /* header and body; fits the default socket buffer */
#define FRAME_HEADER   16u
#define FRAME_MAX_FDS  32
#define FRAME_LIST_MAX 16384u /* items in a list field */

enum frame_kind { FRAME_INT = 1, FRAME_BYTES = 2, FRAME_LIST = 3 };

struct frame_out {
    uint16_t type;
    bool full;
    size_t n;
    size_t list_at; /* offset of the open list's first item, 0 when none */
    size_t items;   /* in the open list */
    unsigned char data[FRAME_MAX];
};

void frame_start(struct frame_out *f, uint16_t type, uint32_t id);
void frame_put_int(struct frame_out *f, uint8_t tag, int64_t value);
void frame_put_str(struct frame_out *f, uint8_t tag, struct str value);
void frame_put_cstr(struct frame_out *f, uint8_t tag, const char *value);
/* A list of byte strings: start, any number of items, end. Lists do not nest. */
void frame_list_start(struct frame_out *f, uint8_t tag);
void frame_list_item(struct frame_out *f, struct str item);
void frame_list_end(struct frame_out *f);
/* Bytes still free: for callers that must shorten what they carry. */
size_t frame_room(const struct frame_out *f);

/* Completes the header; the packet is data[0..n). False when the frame is full. */
bool frame_finish(struct frame_out *f);
/* Finishes the frame and sends it whole, with `nfds` descriptors. False with errno set: the peer is
 * gone, or EAGAIN on a non-blocking socket whose buffer is full, or EMSGSIZE when `full`. */
bool frame_send(int sock, struct frame_out *f, const int *fds, size_t nfds);

struct frame_field {
    uint8_t tag;
    enum frame_kind kind;
    int64_t num;      /* FRAME_INT */
    struct str bytes; /* FRAME_BYTES; for FRAME_LIST the raw list, see frame_list_next */
};

struct frame_in {
    uint16_t type;
    uint32_t id;
    size_t n, at;           /* length of the packet, read position */
    int fds[FRAME_MAX_FDS]; /* received descriptors, -1 when none or taken */
    size_t nfds;
    unsigned char data[FRAME_MAX];
};

enum frame_result { FRAME_OK, FRAME_AGAIN, FRAME_EOF, FRAME_BAD };

/* Receives one frame; descriptors beyond `max_fds` are closed and make it FRAME_BAD. */
enum frame_result frame_recv(int sock, struct frame_in *f, size_t max_fds);
/* Parses `n` bytes already in f->data (for tests and fuzzing). */
enum frame_result frame_parse(struct frame_in *f, size_t n);
/* FRAME_OK and the next field, FRAME_EOF at the end, FRAME_BAD when malformed. Views point
 * into the frame. */
enum frame_result frame_next(struct frame_in *f, struct frame_field *field);
/* Walks a list: *list shrinks; FRAME_EOF at its end. Validated by frame_next already. */
enum frame_result frame_list_next(struct str *list, struct str *item);
/* Closes descriptors not taken. */
void frame_close_fds(struct frame_in *f);

/* A connected pair of close-on-exec packet sockets; false with *e. */
bool frame_pair(int sv[2], struct err *e);

#endif
