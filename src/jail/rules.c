/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/rules.h"
#include "base/mem.h"
#include "jail/landlock.h"
#include "jail/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct rules {
    struct ll_rule *list;
    size_t n;
};

static bool allow(struct rules *r, const char *path, uint64_t access, struct err *e)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || err_sys(e, EX_HOST, "Landlock: opening %s", path);
    r->list[r->n++] = (struct ll_rule){fd, access};
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

bool rules_enter(const struct tree *t, int abi, struct err *e)
{
    struct rules r = {.list = xcalloc(t->n + 2 + ARRAY_LEN(writable_files), sizeof(*r.list))};
    bool ok = list_rules(&r, t, abi, e);
    const struct ll_domain domain = {
        .abi = abi, .files = true, .scopes = true, .rules = r.list, .nrules = r.n};

    ok = ok && ll_enter(&domain, e);
    for (size_t i = 0; i < r.n; i++)
        (void)close(r.list[i].fd);
    free(r.list);
    return ok;
}
