/* SPDX-License-Identifier: Apache-2.0 */
#include "detect/layer.h"

#include "base/mem.h"
#include "detect/database.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ENTROPY 350u /* bits per 100 characters: names and words have less, drawn values more */

static void free_pool(struct layer *l)
{
    while (l != NULL) {
        struct layer *next = l->next_free;

        layer_free(l);
        l = next;
    }
}

static bool turn_off(struct detect *d, const char *name, struct err *e)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            d->off[i] = true;
            return true;
        }
    }
    return err_set(e, EX_POLICY, "there is no detector %s; belay-detectors(7) lists them", name);
}

struct detect *detect_new(const struct detect_options *options, struct err *e)
{
    struct detect *d = xcalloc(1, sizeof(*d));

    d->matcher.entropy = ENTROPY;
    for (size_t i = 0; i < ROWS; i++)
        if (!shape_parse(&d->matcher.back[i], rows[i].back_text) ||
            !shape_parse(&d->matcher.rest[i], rows[i].rest_text))
            abort(); /* patterns.def is wrong: no test has ever passed */
    if (options == NULL)
        return d;
    if (options->entropy != 0)
        d->matcher.entropy = options->entropy;
    d->allowed = options->allowed;
    d->allowed_arg = options->arg;
    for (size_t i = 0; options->off != NULL && options->off[i] != NULL; i++) {
        if (!turn_off(d, options->off[i], e)) {
            detect_free(d);
            return NULL;
        }
    }
    return d;
}

void detect_free(struct detect *d)
{
    if (d == NULL)
        return;
    free_pool(d->free);
    free_pool(d->free_root);
    hs_free_scratch(d->scratch);
    hs_free_database(d->database);
    marks_free(d->marks);
    free(d);
}

bool detect_row(size_t i, struct detect_row *row)
{
    struct shape back, rest;

    if (i >= ROWS || !shape_parse(&back, rows[i].back_text) ||
        !shape_parse(&rest, rows[i].rest_text))
        return false;
    *row = (struct detect_row){.name = rows[i].name,
                               .label = row_label(&rows[i]),
                               .unseen = rows[i].unseen,
                               .longest = row_longest(&rows[i], &back, &rest),
                               .set = rows[i].set};
    return true;
}

/* The first stream pays for the engine, not the start of a session. */
static void need_engine(struct detect *d)
{
    if (d->database != NULL)
        return;
    if (hs_deserialize_database((const char *)detect_database, detect_database_size,
                                &d->database) != HS_SUCCESS ||
        hs_alloc_scratch(d->database, &d->scratch) != HS_SUCCESS)
        abort(); /* no memory, or not the engine that it was built with */
}

struct detect_stream *detect_open(struct detect *d, unsigned sets, detect_found *found, void *arg)
{
    struct detect_stream *s = xcalloc(1, sizeof(*s));

    need_engine(d);
    s->d = d;
    s->sets = sets;
    s->found = found;
    s->arg = arg;
    s->root = layer_open(s, NULL, DETECT_PLAIN);
    return s;
}

void detect_feed(struct detect_stream *s, const void *p, size_t n)
{
    layer_add(s->root, p, n);
    layer_scan(s->root);
}

void detect_end(struct detect_stream *s)
{
    layer_end(s->root);
    s->fed = 0;
    s->unscanned = false;
}

void detect_close(struct detect_stream *s)
{
    if (s == NULL)
        return;
    layer_discard(s->root);
    free(s);
}

size_t detect_pending(const struct detect_stream *s)
{
    uint64_t pending = s->fed - layer_pending(s->root);

    return pending < DETECT_HOLD ? (size_t)pending : DETECT_HOLD;
}

bool detect_mask(const struct detect_finding *f, uint64_t at, void *p, size_t n)
{
    uint8_t *bytes = p, mask = '*';
    uint64_t from = f->begin > at ? f->begin - at : 0, to = f->end > at ? f->end - at : 0;

    for (size_t i = 0; i < DETECT_DEPTH; i++) {
        if (f->via[i] == DETECT_ZIPPED)
            return false;
        if (f->via[i] == DETECT_BASE64 && mask == '*')
            mask = 'x'; /* of the alphabet, so that the reader does not fail at it */
        if (f->via[i] == DETECT_HEX)
            mask = '0';
    }
    for (uint64_t i = from; i < to && i < n; i++)
        if (bytes[i] != '\n' && bytes[i] != '\r')
            bytes[i] = mask;
    return true;
}

/* The number of the label, new or not; -1: there are too many. */
static int label_of(struct detect *d, const char *label)
{
    for (unsigned i = 0; i < d->nlabels; i++)
        if (strcmp(d->labels[i], label) == 0)
            return (int)i;
    if (d->nlabels == DETECT_LABELS || strlen(label) > DETECT_LABEL_MAX)
        return -1;
    memcpy(d->labels[d->nlabels], label, strlen(label) + 1);
    return (int)d->nlabels++;
}

bool detect_marks_add(struct detect *d, const char *label, const uint64_t *marks, size_t n)
{
    int number = label_of(d, label);

    if (number < 0)
        return false;
    if (d->marks == NULL)
        d->marks = marks_new();
    return marks_add(d->marks, (unsigned)number, marks, n);
}
