/* SPDX-License-Identifier: Apache-2.0 */
/* repair.c - what an interrupted keep left behind; see journal.h for the notes. */
#include "stage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where an interrupted step stands in the workspace. */
struct leftover {
    const struct stage *s;
    const struct note *note; /* the last one about this temporary name */
    int parent;
    const char *name;
    struct sig temp;
};

static bool lost(const struct leftover *l, struct err *e)
{
    AUTO_BUF struct buf path = {0};

    buf_init(&path, 1024);
    buf_add_safe(&path, str_of(l->note->path), 512);
    return err_set(
        e, EX_FAIL,
        "%s: an interrupted keep left the file %s beside it, which has been changed since; "
        "look at both and remove or rename that one",
        buf_cstr(&path), l->note->temp);
}

static bool drop_temp(const struct leftover *l, struct err *e)
{
    return unlinkat(l->parent, l->note->temp, 0) == 0 || lost(l, e);
}

/* The two may have changed places, and then the temporary name holds the original. */
static bool undo_exchange(struct leftover *l, struct err *e)
{
    if (l->temp.ino == l->note->ino || sig_same_moved(&l->temp, &l->note->a))
        return drop_temp(l, e);
    /* Not what was expected there: somebody's newer work. Back with it. */
    if (renameat2(l->parent, l->note->temp, l->parent, l->name, RENAME_EXCHANGE) != 0)
        return lost(l, e);
    return drop_temp(l, e);
}

static bool undo_move(struct leftover *l, struct err *e)
{
    bool expected = sig_same_moved(&l->temp, &l->note->a);
    struct note n = {.kind = NOTE_SETTLED, .path = l->note->path};
    struct stat st;

    if (renameat2(l->parent, l->note->temp, l->parent, l->name, RENAME_NOREPLACE) == 0) {
        if (!expected || fstatat(l->parent, l->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return true;
        n.b =
            sig_of(&st); /* the way there and back has moved its ctime: it is the original still */
        return journal_add(l->s, &n, e);
    }
    /* A newer file stands there: what was to be removed goes. */
    return expected ? drop_temp(l, e) : lost(l, e);
}

static bool repair_one(const struct stage *s, const struct note *n, struct err *e)
{
    struct leftover l = {.s = s, .note = n};
    AUTO_CLOSE int parent = s->cross ? stage_open_parent_crossing(s->lower, n->path, &l.name)
                                     : stage_open_parent(s->lower, n->path, &l.name);
    struct note end = {.kind = NOTE_END, .path = n->path, .temp = n->temp};
    struct stat st;
    bool ok = true;

    l.parent = parent;
    if (parent >= 0 && fstatat(parent, n->temp, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        l.temp = sig_of(&st);
        if (n->kind == NOTE_EXCHANGE)
            ok = undo_exchange(&l, e);
        else if (n->kind == NOTE_MOVE)
            ok = undo_move(&l, e);
        else
            ok = drop_temp(&l, e);
    }
    return ok && journal_add(s, &end, e);
}

/* Is there a later note about the same temporary name? Notes on one path lie together. */
static struct sig folder_now(const struct stage *s, const char *path)
{
    AUTO_CLOSE int fd = s->cross ? stage_open_crossing(s->lower, path, O_PATH | O_DIRECTORY)
                                 : stage_open_below(s->lower, path, O_PATH | O_DIRECTORY);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 ? sig_of(&st) : (struct sig){.ino = 0};
}

/* A folder that was being changed or made: what it is now counts as belay's work. One that was only
 * just made goes. */
static bool repair_folder(const struct stage *s, const struct note *begin, struct err *e)
{
    struct note n = {.kind = NOTE_FOLDER, .path = begin->path, .a = begin->a};

    if (begin->a.ino == 0) {
        const char *name;
        AUTO_CLOSE int parent = s->cross ? stage_open_parent_crossing(s->lower, n.path, &name)
                                         : stage_open_parent(s->lower, n.path, &name);
        if (parent >= 0)
            (void)unlinkat(parent, name, AT_REMOVEDIR);
    }
    n.b = folder_now(s, n.path);
    return journal_add(s, &n, e);
}

/* Is there a later note that ends what this one began? Notes on one path lie together. */
static bool folder_ended(const struct journal *j, size_t i)
{
    for (size_t k = i + 1; k < j->n && strcmp(j->notes[k].path, j->notes[i].path) == 0; k++)
        if (j->notes[k].kind == NOTE_FOLDER || j->notes[k].kind == NOTE_FOLDER_BEGIN)
            return true;
    return false;
}

static bool superseded(const struct journal *j, size_t i)
{
    for (size_t k = i + 1; k < j->n && strcmp(j->notes[k].path, j->notes[i].path) == 0; k++)
        if (strcmp(j->notes[k].temp, j->notes[i].temp) == 0)
            return true;
    return false;
}

/* A line that was cut off would spoil the next. */
static bool drop_torn_line(const struct stage *s, struct err *e)
{
    off_t size = lseek(s->journal, 0, SEEK_END);
    char c = '\n';

    while (size > 0 && pread(s->journal, &c, 1, size - 1) == 1 && c != '\n')
        size--;
    return (size >= 0 && ftruncate(s->journal, size) == 0) ||
           err_sys(e, EX_FAIL, "the staged work's journal");
}

bool journal_repair(const struct stage *s, struct err *e)
{
    struct journal j;
    bool ok = true;

    if (!drop_torn_line(s, e) || !journal_read(s, &j, e))
        return false;
    for (size_t i = 0; ok && i < j.n; i++)
        if (j.notes[i].temp[0] != '\0' && j.notes[i].kind != NOTE_END && !superseded(&j, i))
            ok = repair_one(s, &j.notes[i], e);
    for (size_t i = 0; ok && i < j.n; i++)
        if (j.notes[i].kind == NOTE_FOLDER_BEGIN && !folder_ended(&j, i))
            ok = repair_folder(s, &j.notes[i], e);
    journal_release(&j);
    return ok;
}
