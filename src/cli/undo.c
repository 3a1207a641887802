/* SPDX-License-Identifier: Apache-2.0 */
/* undo.c - `belay undo`: files that a session changed, as they were when it first touched them. */
#include "cli/cli.h"
#include "cli/hold.h"
#include "cli/staged.h"

#include "stage/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "  -l, --list    only show what would be restored\n"
    "  -f, --force   also what changed after the session, or while it runs\n"
    "      --json    with --list: as JSON\n"
    "\n"
    "Copies are taken where a rule has @undo, when the session first touches a file. Without a\n"
    "session: the newest one of the current folder that has some; without paths: everything.\n";

struct undo {
    char id[SESSION_ID_MAX + 1];
    struct buf folder;
    struct stage tree; /* its journal, and "/" as what is changed */
    struct undo_list list;
    int copies;
    struct timespec ended;
    char **paths;
    size_t npaths;
    struct arena mem;
    bool only_list, force, as_json;
};

static void tell(void *ctx, const struct change *c, const char *why)
{
    AUTO_BUF struct buf b = {0};

    (void)ctx;
    buf_init(&b, 16384);
    buf_puts(&b, "belay: not restored: /");
    staged_put(&b, c->path);
    buf_printf(&b, ": %s\n", why);
    fprintf(stderr, "%s", buf_cstr(&b));
}

static bool take_paths(struct undo *u, int argc, char **argv, struct err *e)
{
    u->paths = arena_alloc(&u->mem, ((size_t)argc + 1) * sizeof(*u->paths));
    for (int i = 0; i < argc; i++) {
        u->paths[i] = staged_below(&u->mem, "", argv[i]);
        if (u->paths[i] == NULL)
            return err_set(e, EX_USAGE_, "%s: what is the current folder?", argv[i]);
        u->npaths++;
    }
    return true;
}

/* The end of the session is the last thing that its record says. */
static bool find_end(struct undo *u, struct err *e)
{
    AUTO_FREE char *record = xasprintf("%s/record.jsonl", buf_cstr(&u->folder));
    struct stat st;

    if (stat(record, &st) != 0)
        return err_sys(e, EX_RECORD, "%s", record);
    u->ended = st.st_mtim;
    return true;
}

static bool open_all(struct undo *u, int argc, char **argv, struct err *e)
{
    buf_init(&u->folder, PATH_MAX);
    if (!session_find(UNDO_FOLDER, &argc, &argv, u->id, &u->folder, e) || !find_end(u, e))
        return false;
    AUTO_FREE char *folder = xasprintf("%s/" UNDO_FOLDER, buf_cstr(&u->folder));
    u->tree.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    u->tree.lower = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u->tree.folder >= 0)
        u->copies = openat(u->tree.folder, UNDO_COPIES, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (u->tree.lower < 0 || u->copies < 0)
        return err_sys(e, EX_FAIL, "%s: the copies for undo", folder);
    return (u->only_list || stage_lock(&u->tree, e)) && undo_read(u->copies, &u->list, e) &&
           take_paths(u, argc, argv, e);
}

static const char *word_of(const struct change *c)
{
    static const char *const words[] = {[CHANGE_DELETED] = "remove",
                                        [CHANGE_ADDED] = "bring back",
                                        [CHANGE_CONTENT] = "restore",
                                        [CHANGE_MODE] = "set mode of"};

    return words[c->kind];
}

static void put_one(const struct undo *u, struct buf *out, struct json *j, const struct change *c)
{
    const struct undo_entry *x = undo_find(&u->list, c->path);
    AUTO_FREE char *path = xasprintf("/%s", c->path);

    if (u->as_json) {
        json_obj(j, NULL);
        json_cstr(j, "path", path);
        json_cstr(j, "would", word_of(c));
        json_int(j, "event", x != NULL ? (int64_t)x->head.event : 0);
        json_bool(j, "changed_since", c->conflict);
        json_obj_end(j);
        return;
    }
    buf_printf(out, "%-12s ", word_of(c));
    buf_add_safe(out, str_of(path), PATH_MAX);
    buf_printf(out, " (event %llu)%s\n", x != NULL ? (unsigned long long)x->head.event : 0ull,
               c->conflict ? " [changed since]" : "");
}

static int list(const struct undo *u, const struct changes *c)
{
    AUTO_BUF struct buf out = {0};
    struct json j;

    buf_init(&out, 256u << 20);
    json_start(&j, &out);
    if (u->as_json)
        json_arr(&j, NULL);
    for (size_t i = 0; i < c->n; i++)
        if (change_selected(c->list[i].path, u->paths, u->npaths))
            put_one(u, &out, &j, &c->list[i]);
    if (u->as_json) {
        json_arr_end(&j);
        buf_puts(&out, "\n");
    }
    return cli_put(&out);
}

static int restore(struct undo *u, const struct changes *c, struct err *e)
{
    const struct undo_source from = {.list = &u->list, .copies = u->copies};
    struct transfer t = {.from = -1,
                         .to = u->tree.lower,
                         .cross = true,
                         .self = -1,
                         .open_source = undo_open_source,
                         .source_ctx = &from,
                         .journal = &u->tree,
                         .changed = "it may have been changed since by somebody else (--force "
                                    "overrides)",
                         .force = u->force,
                         .paths = u->paths,
                         .npaths = u->npaths,
                         .tell = tell};

    if (!transfer_changes(&t, c, e))
        return cli_fail(e);
    printf("session %s: %zu changes undone", u->id, t.done);
    if (t.refused > 0)
        printf(", %zu not", t.refused);
    printf("\n");
    return t.refused > 0 || fflush(stdout) != 0 ? EX_FAIL : EX_OK;
}

static int run(struct undo *u, struct err *e)
{
    struct hold hold = {.running = false};
    struct changes c = {.n = 0};
    size_t elsewhere = 0;
    int code;

    if (!hold_session(&hold, u->id, e))
        return cli_fail(e);
    (void)undo_changes(&u->list, u->tree.lower, u->copies, hold.running ? NULL : &u->ended, &c,
                       &elsewhere);
    code = u->only_list ? list(u, &c) : restore(u, &c, e);
    changes_release(&c);
    hold_end(&hold);
    if (elsewhere > 0)
        fprintf(stderr, "belay: %zu more lay where only the session could see them\n", elsewhere);
    return code;
}

static void close_all(struct undo *u)
{
    stage_close(&u->tree);
    undo_release(&u->list);
    mem_auto_close(&u->copies);
    buf_free(&u->folder);
    arena_release(&u->mem);
}

int cmd_undo(int argc, char **argv)
{
    static const struct option options[] = {{"list", no_argument, NULL, 'l'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct undo u = {.tree = {.folder = -1, .upper = -1, .lower = -1, .cross = true, .journal = -1},
                     .copies = -1};
    struct err e = {0};

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "lfh", options, NULL)) != -1;) {
        if (c == 'h') {
            cli_help("undo", help);
            return EX_OK;
        }
        if (c != 'l' && c != 'f' && c != 'j')
            return cli_usage("undo", "wrong option");
        u.only_list |= c == 'l';
        u.force |= c == 'f';
        u.as_json |= c == 'j';
    }
    if (u.as_json && !u.only_list)
        return cli_usage("undo", "--json goes with --list");
    int code = open_all(&u, argc - optind, argv + optind, &e) ? run(&u, &e) : cli_fail(&e);
    close_all(&u);
    return code;
}
