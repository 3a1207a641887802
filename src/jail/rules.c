/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/rules.h"
#include "base/mem.h"
#include "jail/host.h"
#include "jail/landlock.h"
#include "jail/uapi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rules {
    struct ll_rule *list;
    size_t n, size;
};

static void put(struct rules *r, int fd, uint64_t access)
{
    if (r->n == r->size) {
        r->size = r->size * 2 + 64;
        r->list = xrealloc(r->list, r->size, sizeof(*r->list));
    }
    r->list[r->n++] = (struct ll_rule){fd, access};
}

static bool allow(struct rules *r, const char *path, uint64_t access, struct err *e)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || err_sys(e, EX_HOST, "Landlock: opening %s", path);
    put(r, fd, access);
    return true;
}

/* Files that are written although their mounts are not for names. A device of the plan is not
 * among them: a read-only mount does not keep it from being written, so Landlock must. */
static const char *const writable_files[] = {"/proc",     "/dev/pts",  "/dev/null",
                                             "/dev/zero", "/dev/full", "/dev/tty"};

static bool list_rules(struct rules *r, const struct tree *t, int abi, struct err *e)
{
    const uint64_t all =
        ll_fs_all(abi) & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK);
    const uint64_t device = ll_fs_file(abi) & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;

    /* Reading is allowed below the jail's root; what is hidden is not there. */
    if (!allow(r, "/", ll_fs_read(), e) || !allow(r, "/dev/shm", all, e))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(writable_files); i++)
        if (!allow(r, writable_files[i], device, e))
            return false;
    for (size_t i = 0; i < t->n; i++) {
        const struct node *n = &t->nodes[i];
        bool writable =
            n->kind == NODE_SCRATCH ||
            ((n->kind == NODE_BIND || n->kind == NODE_STAGE) && n->access == JAIL_WRITE);
        if (writable && !allow(r, n->path, n->folder ? all : ll_fs_file(abi), e))
            return false;
    }
    return true;
}

static bool enter(struct rules *r, int abi, bool tcp, struct err *e)
{
    const struct ll_domain domain = {
        .abi = abi, .files = true, .tcp = tcp, .scopes = true, .rules = r->list, .nrules = r->n};

    return ll_enter(&domain, e);
}

static void release(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++)
        (void)close(r->list[i].fd);
    free(r->list);
}

bool rules_enter(const struct tree *t, int abi, struct err *e)
{
    struct rules r = {0};
    bool ok = list_rules(&r, t, abi, e) && enter(&r, abi, false, e);

    release(&r);
    return ok;
}

/* The host's own: the path was canonical when the plan was made, and a link that stands there now
 * was put there since, by somebody who wants to be let in. */
static bool allow_host(struct rules *r, const char *path, uint64_t folder, uint64_t file,
                       struct err *e)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
    struct stat st;
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               err_sys(e, EX_HOST, "Landlock: opening %s", path);
    put(r, fd, 0);
    if (fstat(fd, &st) != 0)
        return err_sys(e, EX_HOST, "Landlock: %s", path);
    r->list[r->n - 1].access = S_ISDIR(st.st_mode) ? folder : file;
    return true;
}

/* A terminal of the host's devpts and the harmless devices; no others. */
static bool list_devices(struct rules *r, const struct host *h, uint64_t device, struct err *e)
{
    static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                          "/dev/random", "/dev/urandom", "/dev/tty"};

    for (size_t i = 0; i < ARRAY_LEN(devices); i++)
        if (!allow_host(r, devices[i], 0, device, e))
            return false;
    return h->slave[0] == '\0' || allow_host(r, h->slave, 0, device, e);
}

/* What the supervisor executes to become itself. */
static bool list_own(struct rules *r, uint64_t folder, uint64_t file, struct err *e)
{
    static const char *const libraries[] = {
        "/usr/lib", "/usr/lib64",       "/usr/local/lib",    "/lib",
        "/lib64",   "/etc/ld.so.cache", "/etc/ld.so.preload"};

    for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
        AUTO_FREE char *real = realpath(libraries[i], NULL);

        if (real != NULL && !allow_host(r, real, folder, file, e))
            return false;
    }
    return allow(r, "/proc/self/exe", file, e);
}

/* So that the guard, which is in the same domain, can remove the scratch folder itself. */
static bool list_above(struct rules *r, const char *scratch, struct err *e)
{
    AUTO_FREE char *above = scratch == NULL ? NULL : xstrdup(scratch);
    char *slash = above == NULL ? NULL : strrchr(above, '/');

    if (slash == NULL || slash == above)
        return true;
    *slash = '\0';
    return allow_host(r, above, LANDLOCK_ACCESS_FS_REMOVE_DIR, 0, e);
}

/* Below a folder that may only be read, room is made around what is hidden by naming the rest. More
 * names than this are not: each is a descriptor for a moment. */
#define NAMES_MAX 700

static bool is_hidden(const struct node *n)
{
    return n->kind == NODE_EMPTY || n->kind == NODE_FOLDER || n->kind == NODE_SCRATCH ||
           n->kind == NODE_DEV || (n->kind == NODE_BIND && n->access == JAIL_HIDE);
}

static bool hides_below(const struct tree *t, const char *path)
{
    size_t n = strcmp(path, "/") == 0 ? 0 : strlen(path);

    for (size_t i = 0; i < t->n; i++)
        if (is_hidden(&t->nodes[i]) && strncmp(t->nodes[i].path, path, n) == 0 &&
            t->nodes[i].path[n] == '/')
            return true;
    return false;
}

static bool is_node(const struct tree *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->nodes[i].path, path) == 0)
            return true;
    return false;
}

static void put_path(struct rules_names *x, const char *path)
{
    if (x->n == x->size) {
        x->size = x->size * 2 + 64;
        x->list = xrealloc(x->list, x->size, sizeof(*x->list));
    }
    x->list[x->n++] = path;
}

static void put_name(struct rules_names *x, const char *folder, const char *name)
{
    put_path(x, arena_printf(&x->mem, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name));
}

void rules_names_release(struct rules_names *x)
{
    free(x->list);
    arena_release(&x->mem);
    *x = (struct rules_names){.n = 0};
}

/* Everything in the folder that is no node of the tree itself. Links lead elsewhere, and need no
 * right. */
static bool list_folder(const struct tree *t, const char *folder, struct rules_names *x,
                        size_t most)
{
    DIR *dir = opendir(folder);
    struct dirent *d;

    if (dir == NULL)
        return errno == EACCES; /* nor can the agent */
    while (x->n <= most && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || d->d_type == DT_LNK)
            continue;
        put_name(x, folder, d->d_name);
        if (is_node(t, x->list[x->n - 1]))
            x->n--;
    }
    closedir(dir);
    return x->n <= most;
}

/* Adds the names that give all of a folder but what is hidden in it. False: too many. */
static bool around_hidden(const struct tree *t, const char *folder, struct rules_names *x)
{
    size_t first = x->n, most = first + NAMES_MAX;

    if (!list_folder(t, folder, x, most))
        return false;
    for (size_t i = first; i < x->n;) {
        const char *path = x->list[i];

        if (!hides_below(t, path)) {
            i++;
            continue;
        }
        x->list[i] = x->list[--x->n];
        if (!list_folder(t, path, x, most))
            return false;
    }
    return true;
}

void rules_find_names(const struct tree *t, struct rules_names *x)
{
    *x = (struct rules_names){.n = 0};
    for (size_t i = 0; i < t->n; i++) {
        const struct node *n = &t->nodes[i];
        bool hides = n->kind == NODE_BIND && n->access != JAIL_HIDE && hides_below(t, n->path);
        size_t first = x->n;

        if (n->kind != NODE_BIND || n->access == JAIL_HIDE)
            continue;
        x->leave_hidden |= hides && n->access == JAIL_WRITE;
        if (n->access != JAIL_READ || (hides && around_hidden(t, n->path, x)))
            continue;
        x->leave_hidden |= hides;
        x->n = first;
        put_path(x, n->path);
    }
}

static bool list_nodes(struct rules *r, const struct host *h, const struct jail_plan *plan, int abi,
                       struct err *e)
{
    const uint64_t all =
        ll_fs_all(abi) & ~(uint64_t)(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK);
    const uint64_t read_file = ll_fs_read() & ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;

    for (size_t i = 0; i < h->tree.n; i++) {
        const struct node *n = &h->tree.nodes[i];

        if (n->kind == NODE_BIND && n->access == JAIL_WRITE &&
            !allow_host(r, n->path, all, ll_fs_file(abi), e))
            return false;
    }
    for (size_t i = 0; i < h->names.n; i++)
        if (!allow_host(r, h->names.list[i], ll_fs_read(), read_file, e))
            return false;
    return plan->scratch == NULL || allow_host(r, plan->scratch, all, 0, e);
}

bool rules_enter_host(const struct host *h, const struct jail_plan *plan, enum rules_for who,
                      struct err *e)
{
    struct rules r = {0};
    int abi = ll_abi();
    const uint64_t file = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
    const uint64_t device = ll_fs_file(abi) & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE;
    bool ok = list_nodes(&r, h, plan, abi, e) && list_devices(&r, h, device, e);

    if (ok && who == RULES_ANCESTOR)
        ok = list_own(&r, ll_fs_read(), file, e) && list_above(&r, plan->scratch, e);
    /* A user's supervisor writes for the agent what is the agent's own there. As root it would
     * have the kernel's settings. */
    if (ok && (who == RULES_ANCESTOR || (plan->traps & TRAP_READ) == 0))
        ok = allow_host(&r, "/proc",
                        ll_fs_read() | (who == RULES_ANCESTOR && geteuid() != 0
                                            ? LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE
                                            : 0),
                        0, e);
    ok = ok && enter(&r, abi, who == RULES_AGENT, e);
    release(&r);
    return ok;
}
