/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - `belay diff`: what an agent changed in a staged workspace. */
#include "cli/cli.h"
#include "cli/diff_text.h"
#include "cli/pager.h"
#include "cli/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "      --stat        how many lines in which files\n"
    "      --name-only   only the paths\n"
    "      --json        as JSON\n"
    "\n"
    "Without a session: the newest one with staged work in the current folder. Text is shown\n"
    "as a unified diff; control characters in it as \\xNN. On a terminal it goes through $PAGER.\n";

enum form { FORM_TEXT, FORM_STAT, FORM_NAMES, FORM_JSON };

struct show {
    const struct staged *x;
    const struct changes *c;
    enum form form;
    bool colour;
    struct buf out;
    struct json json;
    struct pager pager;
    struct diff_count total;
    size_t files;
};

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "folder";
    case S_IFLNK:
        return "link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    default:
        return "device";
    }
}

static const char *word_of(const struct change *c)
{
    static const char *const words[] = {[CHANGE_DELETED] = "deleted",
                                        [CHANGE_ADDED] = "added",
                                        [CHANGE_CONTENT] = "changed",
                                        [CHANGE_MODE] = "mode"};

    return c->twin != NO_TWIN ? "renamed" : words[c->kind];
}

static void put_json(struct show *s, const struct change *c)
{
    struct json *j = &s->json;
    char mode[16];

    json_obj(j, NULL);
    json_cstr(j, "path", c->path);
    json_cstr(j, "change", word_of(c));
    json_cstr(j, "kind", kind_of(c->after.st_mode != 0 ? c->after.st_mode : c->before.st_mode));
    if (c->twin != NO_TWIN)
        json_cstr(j, "from", s->c->list[c->twin].path);
    if (c->before.st_mode != 0) {
        (void)snprintf(mode, sizeof(mode), "%06o", (unsigned)c->before.st_mode);
        json_cstr(j, "mode_before", mode);
        json_int(j, "size_before", c->before.st_size);
    }
    if (c->after.st_mode != 0) {
        (void)snprintf(mode, sizeof(mode), "%06o", (unsigned)c->after.st_mode);
        json_cstr(j, "mode_after", mode);
        json_int(j, "size_after", c->after.st_size);
    }
    json_bool(j, "original_changed", c->conflict);
    json_obj_end(j);
}

static void put_name(struct show *s, const char *before, const char *path, const char *after)
{
    buf_puts(&s->out, before);
    staged_put(&s->out, path);
    buf_puts(&s->out, after);
}

/* One line about the change itself, as git has it, and what no diff of lines shows. */
static void put_head(struct show *s, const struct change *c)
{
    const struct stat *st = c->after.st_mode != 0 ? &c->after : &c->before;
    const char *bold = s->colour ? "\033[1m" : "", *plain = s->colour ? "\033[0m" : "";

    buf_printf(&s->out, "%s%s %s ", bold, word_of(c), kind_of(st->st_mode));
    if (c->twin != NO_TWIN)
        put_name(s, "", s->c->list[c->twin].path, " -> ");
    staged_put(&s->out, c->path);
    if (c->before.st_mode != 0 && c->after.st_mode != 0 && c->before.st_mode != c->after.st_mode)
        buf_printf(&s->out, " (mode %04o -> %04o)", (unsigned)c->before.st_mode & 07777,
                   (unsigned)c->after.st_mode & 07777);
    else if (c->kind == CHANGE_ADDED && (c->after.st_mode & 07000) != 0)
        buf_printf(&s->out, " (mode %04o)", (unsigned)c->after.st_mode & 07777);
    buf_puts(&s->out, plain);
    if (c->conflict)
        buf_printf(&s->out, "%s [the original has changed meanwhile]%s",
                   s->colour ? "\033[33m" : "", plain);
    buf_puts(&s->out, "\n");
}

static void put_link(struct show *s, int root, const char *path, const char *sign)
{
    char target[PATH_MAX];
    const char *name;
    AUTO_CLOSE int parent = stage_open_parent(root, path, &name);
    ssize_t n = parent >= 0 ? readlinkat(parent, name, target, sizeof(target)) : -1;

    buf_puts(&s->out, sign);
    if (n >= 0)
        buf_add_safe(&s->out, (struct str){target, (size_t)n}, PATH_MAX);
    buf_puts(&s->out, "\n");
}

static int open_side(int root, const struct change *c, const struct stat *st)
{
    return S_ISREG(st->st_mode) ? stage_open_below(root, c->path, O_RDONLY | O_NONBLOCK) : -1;
}

static void put_sizes(struct show *s, const struct change *c, const char *why)
{
    buf_printf(&s->out, "%s: ", why);
    if (c->before.st_mode != 0)
        buf_printf(&s->out, "%lld bytes", (long long)c->before.st_size);
    if (c->before.st_mode != 0 && c->after.st_mode != 0)
        buf_puts(&s->out, " -> ");
    if (c->after.st_mode != 0)
        buf_printf(&s->out, "%lld bytes", (long long)c->after.st_size);
    buf_puts(&s->out, "\n");
}

static void label(struct buf *b, const char *side, const char *path, bool there)
{
    buf_init(b, 4 * PATH_MAX);
    if (!there) {
        buf_puts(b, "/dev/null");
        return;
    }
    buf_puts(b, side);
    buf_add_safe(b, str_of(path), PATH_MAX / 2);
}

/* Lines of a regular file; counts them, and shows them in FORM_TEXT. */
static bool put_lines(struct show *s, const struct change *c, struct err *e)
{
    AUTO_CLOSE int old = open_side(s->x->stage.lower, c, &c->before);
    AUTO_CLOSE int new = open_side(s->x->stage.upper, c, &c->after);
    AUTO_BUF struct buf a = {0}, b = {0};
    struct diff_count n;

    if ((S_ISREG(c->before.st_mode) && old < 0) || (S_ISREG(c->after.st_mode) && new < 0)) {
        buf_printf(&s->out, "cannot be read: %s\n", strerrordesc_np(errno));
        return true;
    }
    label(&a, "a/", c->path, c->before.st_mode != 0);
    label(&b, "b/", c->path, c->after.st_mode != 0);
    switch (diff_text(old, new, buf_cstr(&a), buf_cstr(&b), s->form == FORM_TEXT ? &s->out : NULL,
                      s->colour, &n, e)) {
    case DIFF_FAILED:
        return false;
    case DIFF_BINARY:
        put_sizes(s, c, s->form == FORM_STAT ? " binary" : "binary");
        return true;
    case DIFF_LARGE:
        put_sizes(s, c, s->form == FORM_STAT ? " large" : "too large to show");
        return true;
    case DIFF_TEXT:
        break;
    }
    s->total.added += n.added;
    s->total.removed += n.removed;
    if (s->form == FORM_STAT)
        buf_printf(&s->out, " +%llu -%llu\n", (unsigned long long)n.added,
                   (unsigned long long)n.removed);
    return true;
}

static bool has_lines(const struct change *c)
{
    return (S_ISREG(c->before.st_mode) || S_ISREG(c->after.st_mode)) && c->kind != CHANGE_MODE &&
           c->twin == NO_TWIN;
}

static bool put_text(struct show *s, const struct change *c, struct err *e)
{
    put_head(s, c);
    if (S_ISLNK(c->before.st_mode))
        put_link(s, s->x->stage.lower, c->path, "-");
    if (S_ISLNK(c->after.st_mode))
        put_link(s, s->x->stage.upper, c->path, "+");
    return !has_lines(c) || put_lines(s, c, e);
}

static bool put_stat(struct show *s, const struct change *c, struct err *e)
{
    buf_printf(&s->out, " %-8s ", word_of(c));
    if (c->twin != NO_TWIN)
        put_name(s, "", s->c->list[c->twin].path, " -> ");
    staged_put(&s->out, c->path);
    if (c->conflict)
        buf_puts(&s->out, " [the original has changed meanwhile]");
    if (has_lines(c))
        return put_lines(s, c, e);
    buf_puts(&s->out, "\n");
    return true;
}

static bool put_change(struct show *s, const struct change *c, struct err *e)
{
    if (c->kind == CHANGE_DELETED && c->twin != NO_TWIN && s->form != FORM_NAMES)
        return true; /* told with its other half */
    s->files++;
    switch (s->form) {
    case FORM_JSON:
        put_json(s, c);
        return true;
    case FORM_NAMES:
        put_name(s, "", c->path, "\n");
        return true;
    case FORM_STAT:
        return put_stat(s, c, e);
    case FORM_TEXT:
        break;
    }
    return put_text(s, c, e);
}

static bool flush(struct show *s)
{
    bool ok = pager_write(&s->pager, buf_str(&s->out));

    buf_clear(&s->out);
    return ok;
}

static bool put_all(struct show *s, struct err *e)
{
    json_start(&s->json, &s->out);
    if (s->form == FORM_JSON)
        json_arr(&s->json, NULL);
    for (size_t i = 0; i < s->c->n; i++) {
        const struct change *c = &s->c->list[i];

        if (!change_selected(c->path, s->x->paths, s->x->npaths))
            continue;
        if (!put_change(s, c, e))
            return false;
        if (!flush(s))
            return true; /* nobody reads any more */
    }
    if (s->form == FORM_JSON) {
        json_arr_end(&s->json);
        buf_puts(&s->out, "\n");
    } else if (s->form == FORM_STAT) {
        buf_printf(&s->out, " %zu changes, +%llu -%llu lines\n", s->files,
                   (unsigned long long)s->total.added, (unsigned long long)s->total.removed);
    }
    (void)flush(s);
    return true;
}

/* What could not be compared must not look like no change. */
static int tell_unseen(const struct changes *c)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 1u << 20);
    for (size_t i = 0; i < c->nunseen; i++) {
        buf_puts(&b, "belay: ");
        staged_put(&b, c->unseen[i].path);
        buf_printf(&b, ": cannot be compared: %s\n", strerrordesc_np(c->unseen[i].error));
    }
    fprintf(stderr, "%s", buf_cstr(&b));
    return c->nunseen > 0 ? EX_FAIL : EX_OK;
}

static int show(struct staged *x, enum form form)
{
    struct changes c;
    struct err e = {0};

    if (!changes_find(&x->stage, &c, &e))
        return cli_fail(&e);
    struct show s = {.x = x, .c = &c, .form = form, .colour = form == FORM_TEXT && cli_colour()};
    changes_find_renames(&x->stage, &c);
    buf_init(&s.out, 256u << 20);
    pager_start(&s.pager, form == FORM_TEXT || form == FORM_STAT);
    bool ok = put_all(&s, &e);
    pager_end(&s.pager);
    buf_free(&s.out);
    int code = ok ? tell_unseen(&c) : cli_fail(&e);
    changes_release(&c);
    return code;
}

int cmd_diff(int argc, char **argv)
{
    static const struct option options[] = {{"stat", no_argument, NULL, 's'},
                                            {"name-only", no_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    enum form form = FORM_TEXT;
    struct staged x;
    struct err e = {0};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') {
            cli_help("diff", help);
            return EX_OK;
        }
        if (c != 's' && c != 'n' && c != 'j')
            return cli_usage("diff", "wrong option");
        form = c == 's' ? FORM_STAT : c == 'n' ? FORM_NAMES : FORM_JSON;
    }
    int code =
        staged_open(&x, argc - optind, argv + optind, false, &e) ? show(&x, form) : cli_fail(&e);
    staged_close(&x);
    return code;
}
