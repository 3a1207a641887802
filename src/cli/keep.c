/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - `belay keep` and `belay discard`: staged changes taken over, or dropped. */
#include "cli/cli.h"
#include "cli/hold.h"
#include "cli/staged.h"

#include "stage/discard.h"
#include "stage/transfer.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char keep_help[] =
    "  -f, --force   also over originals that were changed meanwhile\n"
    "\n"
    "Without a session: the newest one with staged work in the current folder; without paths:\n"
    "everything. What was not taken over is told, and makes the exit code 1.\n";
static const char discard_help[] =
    "Without a session: the newest one with staged work in the current folder; without paths:\n"
    "everything. While the session runs, the agent sees the originals again.\n";

static void tell(void *ctx, const struct change *c, const char *why)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, 16384);
    buf_printf(&b, "belay: %s: ", (const char *)ctx);
    staged_put(&b, c->path);
    buf_printf(&b, ": %s\n", why);
    fprintf(stderr, "%s", buf_cstr(&b));
}

static size_t leading_out(const struct changes *c, char *const *paths, size_t n)
{
    size_t links = 0;

    for (size_t i = 0; i < c->n; i++)
        links += S_ISLNK(c->list[i].after.st_mode) && change_selected(c->list[i].path, paths, n);
    return links;
}

/* Nothing is left: the folder goes, unless the agent may still write in it. */
static bool tidy(struct staged *x, bool running, struct err *e)
{
    struct changes c;

    if (running)
        return true;
    if (!changes_find(&x->stage, &c, e))
        return false;
    bool empty = c.n == 0 && c.nunseen == 0;
    changes_release(&c);
    return !empty || stage_remove(buf_cstr(&x->folder), e);
}

static int report(const struct staged *x, const struct transfer *t, const char *done,
                  const char *not_done)
{
    printf("session %s: %zu %s", x->id, t->done, done);
    if (t->refused > 0)
        printf(", %zu %s", t->refused, not_done);
    printf("\n");
    return t->refused > 0 || fflush(stdout) != 0 ? EX_FAIL : EX_OK;
}

static bool nothing_selected(const struct staged *x, const struct changes *c, struct err *e)
{
    for (size_t i = 0; i < c->n; i++)
        if (change_selected(c->list[i].path, x->paths, x->npaths))
            return false;
    if (x->npaths == 0)
        return false;
    AUTO_BUF struct buf b = {0};
    buf_init(&b, 4096);
    staged_put(&b, x->paths[0]);
    err_set(e, EX_FAIL, "session %s changed nothing at %s; 'belay diff %s' shows what it did",
            x->id, buf_cstr(&b), x->id);
    return true;
}

static bool keep(struct staged *x, bool force, struct transfer *t, struct err *e)
{
    struct hold hold;
    struct changes c;

    *t = (struct transfer){.from = x->stage.upper,
                           .to = x->stage.lower,
                           .self = -1,
                           .journal = &x->stage,
                           .changed = "the original has changed since the agent first touched it "
                                      "(--force overrides)",
                           .force = force,
                           .paths = x->paths,
                           .npaths = x->npaths,
                           .tell = tell,
                           .ctx = (char[]){"not kept"}};
    if (!hold_session(&hold, x->id, e))
        return false;
    bool ok = changes_find(&x->stage, &c, e);
    if (ok) {
        ok = !nothing_selected(x, &c, e) && transfer_changes(t, &c, e);
        if (ok && leading_out(&c, x->paths, x->npaths) > 0)
            fprintf(stderr, "belay: symbolic links are among what was kept: look where they lead "
                            "before something writes through them\n");
        changes_release(&c);
    }
    hold_end(&hold);
    return ok && tidy(x, hold.running, e);
}

static bool discard(struct staged *x, struct transfer *t, struct err *e)
{
    struct hold hold;
    struct changes c;

    *t = (struct transfer){.from = -1,
                           .to = -1,
                           .self = -1,
                           .journal = &x->stage,
                           .paths = x->paths,
                           .npaths = x->npaths,
                           .tell = tell,
                           .ctx = (char[]){"not discarded"}};
    if (!hold_session(&hold, x->id, e))
        return false;
    bool ok = changes_find(&x->stage, &c, e);
    if (ok) {
        ok = !nothing_selected(x, &c, e) &&
             (hold.running ? discard_running(t, &c, hold.pid, e) : discard_ended(t, &c, e));
        changes_release(&c);
    } else if (!hold.running && x->npaths == 0) {
        ok = stage_remove(buf_cstr(&x->folder), e); /* too much or too broken to be compared */
    }
    hold_end(&hold);
    return ok && (x->npaths == 0 && !hold.running && stage_exists(buf_cstr(&x->folder))
                      ? stage_remove(buf_cstr(&x->folder), e)
                      : tidy(x, hold.running, e));
}

static int command(const char *name, const char *help, bool is_keep, int argc, char **argv)
{
    static const struct option options[] = {
        {"force", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct staged x;
    struct transfer t;
    struct err e = {0};
    bool force = false;

    optind = 0;
    for (int c; (c = getopt_long(argc, argv, is_keep ? "fh" : "h", options, NULL)) != -1;) {
        if (c == 'h') {
            cli_help(name, help);
            return EX_OK;
        }
        if (c != 'f' || !is_keep)
            return cli_usage(name, "wrong option");
        force = true;
    }
    bool ok = staged_open(&x, argc - optind, argv + optind, true, &e) &&
              (is_keep ? keep(&x, force, &t, &e) : discard(&x, &t, &e));
    int code = !ok       ? cli_fail(&e)
               : is_keep ? report(&x, &t, "changes kept", "not kept")
                         : report(&x, &t, "changes dropped", "not dropped");
    staged_close(&x);
    return code;
}

int cmd_keep(int argc, char **argv)
{
    return command("keep", keep_help, true, argc, argv);
}

int cmd_discard(int argc, char **argv)
{
    return command("discard", discard_help, false, argc, argv);
}
