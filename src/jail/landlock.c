/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/landlock.h"
#include "base/mem.h"
#include "jail/uapi.h"

#include <unistd.h>

int ll_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

uint64_t ll_fs_all(int abi)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* the 13 of ABI 1 */

    if (abi >= 2)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        all |= LL_FS_TRUNCATE;
    if (abi >= 5)
        all |= LL_FS_IOCTL_DEV;
    return abi >= 1 ? all : 0;
}

uint64_t ll_fs_read(void)
{
    return LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
}

uint64_t ll_fs_file(int abi)
{
    return ll_fs_all(abi) & (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                             LANDLOCK_ACCESS_FS_WRITE_FILE | LL_FS_TRUNCATE | LL_FS_IOCTL_DEV);
}

static bool add_rule(int ruleset, const struct ll_rule *r, struct err *e)
{
    struct landlock_path_beneath_attr attr = {.allowed_access = r->access, .parent_fd = r->fd};

    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) != 0)
        return err_sys(e, EX_HOST, "Landlock: adding a rule");
    return true;
}

bool ll_enter(const struct ll_domain *d, struct err *e)
{
    struct ll_ruleset_attr attr = {.handled_access_fs = d->files ? ll_fs_all(d->abi) : 0};
    size_t size = sizeof(attr.handled_access_fs);
    AUTO_CLOSE int ruleset = -1;

    if (d->abi >= 4) {
        attr.handled_access_net =
            d->tcp ? 3 : 0; /* LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP */
        size += sizeof(attr.handled_access_net);
    }
    if (d->abi >= 6) {
        attr.scoped = d->scopes ? LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL : 0;
        size += sizeof(attr.scoped);
    }
    if (attr.handled_access_fs == 0 && attr.handled_access_net == 0 && attr.scoped == 0)
        return true;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_sys(e, EX_HOST, "Landlock: making a ruleset (ABI %d)", d->abi);
    for (size_t i = 0; i < d->nrules; i++)
        if (!add_rule(ruleset, &d->rules[i], e))
            return false;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_sys(e, EX_HOST, "Landlock: entering the domain");
    return true;
}
