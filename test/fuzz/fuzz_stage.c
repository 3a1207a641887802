/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `belay keep` and `belay undo` read back: the journal, and kern's file of copies. The first
 * byte chooses. What was read is clean: no path leads elsewhere, every content lies in bounds.
 */
#include "base/fd.h"
#include "base/mem.h"
#include "stage/journal.h"
#include "stage/undo.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_journal(struct str text)
{
    struct journal j;
    struct err e = {0};

    if (!journal_parse(text, &j, &e)) {
        assert(e.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < j.n; i++) {
        const struct note *n = &j.notes[i];
        assert(strchr(n->temp, '/') == NULL);
        assert(i == 0 || strcmp(j.notes[i - 1].path, n->path) <= 0);
        const struct note *last = journal_last(&j, n->path, n->kind);
        assert(last != NULL && last->order >= n->order);
        (void)journal_folder_time(&j, n->path, &n->b);
    }
    journal_release(&j);
}

static void read_copies(struct str bytes)
{
    struct undo_list u;
    struct err e = {0};
    AUTO_CLOSE int fd = fd_memfd("copies", bytes.p, bytes.n, &e);

    if (fd < 0 || !undo_read(fd, &u, &e))
        return;
    for (size_t i = 0; i < u.n; i++) {
        const struct undo_entry *x = &u.list[i];
        assert(x->path[0] != '/' && strstr(x->path, "//") == NULL);
        assert(strcmp(x->path, "..") != 0 && strncmp(x->path, "../", 3) != 0 &&
               strstr(x->path, "/../") == NULL);
        assert(x->head.size >= 0 && x->content > 0 && x->content <= UNDO_TOTAL_MAX);
        assert(undo_find(&u, x->path) == x);
    }
    undo_release(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct str rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'j')
        read_journal(rest);
    else
        read_copies(rest);
    return 0;
}
