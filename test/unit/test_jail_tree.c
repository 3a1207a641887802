/* SPDX-License-Identifier: Apache-2.0 */
/* Which mounts a plan comes to. The folders are real, nothing is mounted. */
#include "jail/tree.h"
#include "jail_run.h"

static struct jail_mount mounts[16];
static size_t nmounts;

static void plan_of(struct jail_plan *p)
{
    *p = (struct jail_plan){.mounts = mounts, .nmounts = nmounts};
}

static void want(const char *path, enum jail_access access)
{
    mounts[nmounts++] = (struct jail_mount){path, access};
}

static const struct node nothing = {.path = ""};

static const struct node *find(const struct tree *t, const char *path)
    __attribute__((returns_nonnull));
static const struct node *find(const struct tree *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->nodes[i].path, path) == 0)
            return &t->nodes[i];
    return &nothing;
}

static bool make(struct tree *t)
{
    struct jail_plan p;
    struct err e = {0};

    plan_of(&p);
    nmounts = 0;
    if (tree_make(t, &p, &e))
        return true;
    printf("# %s\n", e.text);
    return false;
}

static const char *folder(const char *name)
{
    const char *path = in_ws(name);

    mkdir(path, 0755);
    return path;
}

TEST(what_changes_nothing_is_left_out)
{
    struct tree t;

    want(play_ws, JAIL_WRITE);
    want(folder("a"), JAIL_WRITE);
    want(folder("b"), JAIL_READ);
    want(folder("b/c"), JAIL_READ);
    want(folder("b/d"), JAIL_WRITE);
    want(in_ws("none"), JAIL_HIDE);
    want("/root-of-nothing", JAIL_READ);
    CHECK(make(&t));
    CHECK(find(&t, in_ws("a")) == &nothing);
    CHECK(find(&t, in_ws("b/c")) == &nothing);
    CHECK(find(&t, in_ws("none")) == &nothing);
    CHECK(find(&t, "/root-of-nothing") == &nothing);
    CHECK(find(&t, in_ws("b"))->access == JAIL_READ);
    CHECK(find(&t, in_ws("b/d"))->parent == find(&t, in_ws("b")));
    CHECK_STR(t.nodes[0].path, "/");
    tree_release(&t);
}

TEST(parents_come_first_whatever_the_bytes)
{
    struct tree t;
    size_t deep = 0, shallow = 0;

    want(folder("p-x"), JAIL_READ);
    want(folder("p"), JAIL_WRITE);
    want(folder("p/q"), JAIL_READ);
    CHECK(make(&t));
    for (size_t i = 0; i < t.n; i++) {
        if (strcmp(t.nodes[i].path, in_ws("p/q")) == 0)
            deep = i;
        if (strcmp(t.nodes[i].path, in_ws("p")) == 0)
            shallow = i;
    }
    CHECK(shallow > 0 && deep == shallow + 1);
    CHECK(t.nodes[deep].parent == &t.nodes[shallow]);
    tree_release(&t);
}

TEST(the_strictest_word_counts)
{
    struct tree t;

    want(folder("s"), JAIL_WRITE);
    want(in_ws("s"), JAIL_READ);
    want(in_ws("s"), JAIL_WRITE);
    CHECK(make(&t));
    CHECK(find(&t, in_ws("s"))->access == JAIL_READ);
    tree_release(&t);
}

TEST(hidden_folders_hold_what_is_shown_below)
{
    struct tree t;

    want(play_ws, JAIL_READ);
    want(folder("h"), JAIL_HIDE);
    want(folder("h/shown"), JAIL_WRITE);
    want(folder("e"), JAIL_HIDE);
    CHECK(make(&t));
    CHECK_INT(find(&t, in_ws("h"))->kind, NODE_FOLDER);
    CHECK_INT(find(&t, in_ws("h/shown"))->kind, NODE_BIND);
    CHECK_INT(find(&t, in_ws("e"))->kind, NODE_EMPTY);
    tree_release(&t);
}

TEST(proc_and_dev_are_always_ours)
{
    struct tree t;

    want("/proc", JAIL_WRITE);
    want("/proc/sys", JAIL_WRITE);
    want("/dev", JAIL_WRITE);
    want("/dev/null", JAIL_WRITE);
    want("/proc/version", JAIL_HIDE);
    CHECK(make(&t));
    CHECK_INT(find(&t, "/proc")->kind, NODE_PROC);
    CHECK_INT(find(&t, "/dev")->kind, NODE_DEV);
    CHECK(find(&t, "/proc/sys") == &nothing);
    CHECK_INT(find(&t, "/proc/version")->kind, NODE_EMPTY);
    CHECK(find(&t, "/dev/null")->device);
    tree_release(&t);
}

TEST(tmp_is_fresh_unless_it_is_named)
{
    struct tree t;

    CHECK(make(&t));
    CHECK_INT(find(&t, "/tmp")->kind, NODE_SCRATCH);
    tree_release(&t);
    want("/tmp", JAIL_WRITE);
    CHECK(make(&t));
    CHECK_INT(find(&t, "/tmp")->kind, NODE_BIND);
    tree_release(&t);
}

TEST(loops_of_links_are_nothing)
{
    struct tree t;

    CHECK(symlink("loop", in_ws("loop")) == 0);
    want(in_ws("loop"), JAIL_READ);
    want(in_ws("loop/x"), JAIL_HIDE);
    CHECK(make(&t));
    CHECK(find(&t, in_ws("loop")) == &nothing);
    tree_release(&t);
    unlink(in_ws("loop"));
}

TEST(links_lead_to_what_they_name)
{
    struct tree t;

    put_file(in_ws("target"), "x");
    CHECK(symlink("../ws/./target", in_ws("relative")) == 0);
    CHECK(symlink(in_ws("relative"), in_ws("twice")) == 0);
    want(in_ws("twice"), JAIL_READ);
    CHECK(make(&t));
    CHECK(find(&t, in_ws("target")) != &nothing);
    CHECK(!find(&t, in_ws("target"))->folder);
    CHECK_INT(t.nlinks, 2);
    tree_release(&t);
    want(play_ws, JAIL_WRITE); /* now the agent could have made them */
    want(in_ws("twice"), JAIL_READ);
    CHECK(make(&t));
    CHECK(find(&t, in_ws("target")) == &nothing);
    tree_release(&t);
    want(play_ws, JAIL_WRITE);
    want(in_ws("twice"), JAIL_HIDE);
    CHECK(make(&t));
    CHECK_INT(find(&t, in_ws("target"))->kind, NODE_EMPTY);
    tree_release(&t);
}

JAIL_MAIN(NULL, UNIT(what_changes_nothing_is_left_out), UNIT(parents_come_first_whatever_the_bytes),
          UNIT(the_strictest_word_counts), UNIT(hidden_folders_hold_what_is_shown_below),
          UNIT(proc_and_dev_are_always_ours), UNIT(tmp_is_fresh_unless_it_is_named),
          UNIT(loops_of_links_are_nothing), UNIT(links_lead_to_what_they_name))
