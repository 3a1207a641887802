/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/root.h"
#include "base/fd.h"
#include "jail/mounts.h"
#include "jail/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of Debian 12 cannot be included together. */
#define DETACH 2 /* MNT_DETACH */

#define HARDENED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

struct builder {
    struct tree *t;
    uint64_t processes;
    int base;          /* the tmpfs that all folders of our own come from */
    const char *stage; /* folder of staged work */
    unsigned made;
    struct err *e;
};

static int our_folder(struct builder *b, mode_t mode)
{
    char name[16];

    snprintf(name, sizeof(name), "%u", b->made++);
    if (mkdirat(b->base, name, mode) != 0 || fchmodat(b->base, name, mode, 0) != 0)
        return -1;
    return copy_mount(b->base, name, 0);
}

/* `kept`: takes a descriptor that may write to it; NULL: nobody does. */
static int our_file(struct builder *b, const void *content, size_t n, mode_t mode, int *kept)
{
    char name[16];
    AUTO_CLOSE int fd = -1;

    snprintf(name, sizeof(name), "%u", b->made++);
    fd = openat(b->base, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !fd_write_all(fd, content, n) || fchmod(fd, mode & 0777) != 0)
        return -1;
    if (kept != NULL)
        *kept = fd_take(&fd);
    return copy_mount(b->base, name, 0);
}

/* Makes `path` below the folder `dir`, its parents too; the last name as a file if asked. */
static bool make_point(int dir, const char *path, bool folder)
{
    char part[4096];

    for (size_t i = 0;; i++) {
        if (i >= sizeof(part)) {
            errno = ENAMETOOLONG;
            return false;
        }
        part[i] = path[i];
        if (path[i] != '/' && path[i] != '\0')
            continue;
        part[i] = '\0';
        if (path[i] == '\0' && !folder)
            return mknodat(dir, part, S_IFREG | 0644, 0) == 0 || errno == EEXIST;
        if (mkdirat(dir, part, 0755) != 0 && errno != EEXIST)
            return false;
        if (path[i] == '\0')
            return true;
        part[i] = '/';
    }
}

static int make_bind(const struct node *n)
{
    uint64_t flags = MOUNT_ATTR_NOSUID | (n->device ? 0 : MOUNT_ATTR_NODEV) |
                     (n->access == JAIL_READ ? MOUNT_ATTR_RDONLY : 0);
    int mount = copy_mount(n->source, "", AT_EMPTY_PATH | AT_RECURSIVE);

    /* The copy of an overlay that is read-only where it begins. */
    if (mount >= 0 && n->staged && n->access == JAIL_WRITE &&
        !clear_flags(mount, MOUNT_ATTR_RDONLY))
        mem_auto_close(&mount);

    if (mount >= 0 && !set_flags(mount, flags, AT_RECURSIVE))
        mem_auto_close(&mount);
    return mount;
}

static int make_mount(struct builder *b, const struct node *n)
{
    static const char resolver[] = "nameserver " JAIL_RESOLVER4 "\n";
    int mount = -1;

    switch (n->kind) {
    case NODE_BIND:
        return make_bind(n);
    case NODE_STAGE:
        return overlay_mount(b->base, n->source, b->stage, n->access == JAIL_READ, b->e);
    case NODE_PROC:
        return new_mount("proc", NULL, 0, HARDENED | MOUNT_ATTR_NOEXEC);
    case NODE_SCRATCH:
        mount = our_folder(b, 01777);
        break;
    case NODE_EMPTY:
        mount = n->folder ? our_folder(b, 0555) : our_file(b, "", 0, 0444, NULL);
        break;
    case NODE_RESOLVER:
        mount = our_file(b, resolver, strlen(resolver), 0444, NULL);
        break;
    case NODE_FILE:
        mount =
            our_file(b, n->file->bytes, n->file->n, n->file->mode, n->kept ? &b->t->kept : NULL);
        break;
    case NODE_FOLDER:
    case NODE_DEV:
        return our_folder(b, 0755); /* read-only when its mount points stand */
    }
    if (mount >= 0 &&
        !set_flags(mount, n->kind == NODE_SCRATCH ? HARDENED : HARDENED | MOUNT_ATTR_RDONLY, 0))
        mem_auto_close(&mount);
    return mount;
}

static bool mount_node(struct builder *b, struct node *n)
{
    AUTO_CLOSE int point = -1;
    const char *below;

    n->mount = make_mount(b, n);
    if (n->mount < 0 && n->kind == NODE_STAGE)
        return false;
    if (n->mount < 0)
        return err_sys(b->e, EX_HOST, "mounting %s in the jail", n->path);
    if (n->parent == NULL)
        return attach(n->mount, AT_FDCWD, "/") || err_sys(b->e, EX_HOST, "placing the jail's root");
    below = tree_below(n->parent, n->path);
    if (node_is_ours(n->parent) && !make_point(n->parent->mount, below, n->folder))
        return err_sys(b->e, EX_HOST, "making a mount point for %s", n->path);
    point = open_below(n->parent->mount, below);
    if (point < 0 && errno == ENOENT && n->ours && n->kind != NODE_PROC && n->kind != NODE_DEV)
        return true; /* a host without /run needs none */
    if (point < 0 || !attach(n->mount, point, ""))
        return err_sys(b->e, EX_HOST, "placing %s in the jail", n->path);
    return true;
}

/* What is shown below the staged folder is part of the overlay: taken from it before anything
 * lies over it. */
static bool take_staged(struct builder *b, const struct node *stage)
{
    for (size_t i = 0; i < b->t->n; i++) {
        struct node *n = &b->t->nodes[i];
        if (!n->staged || n->kind != NODE_BIND)
            continue;
        mem_auto_close(&n->source);
        n->source = open_below(stage->mount, tree_below(stage, n->path));
        if (n->source < 0)
            return err_sys(b->e, EX_HOST, "%s in the staged workspace", n->path);
    }
    return true;
}

static bool make_devices(struct builder *b, const struct node *dev)
{
    static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const links[][2] = {{"fd", "/proc/self/fd"},
                                           {"stdin", "/proc/self/fd/0"},
                                           {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"},
                                           {"ptmx", "pts/ptmx"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[32];
        AUTO_CLOSE int device = -1;
        snprintf(path, sizeof(path), "/dev/%s", names[i]);
        device = copy_mount(AT_FDCWD, path, 0);
        if (device < 0 || !make_point(dev->mount, names[i], false) ||
            !attach(device, dev->mount, names[i]))
            return err_sys(b->e, EX_HOST, "placing %s in the jail", path);
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlinkat(links[i][1], dev->mount, links[i][0]) != 0)
            return err_sys(b->e, EX_HOST, "making /dev/%s in the jail", links[i][0]);
    return true;
}

static bool make_dev(struct builder *b, const struct node *dev)
{
    static const char *const pts_options[][2] = {{"ptmxmode", "0666"}, {"mode", "0620"}};
    AUTO_CLOSE int pts = -1;
    AUTO_CLOSE int shm = -1;

    if (!make_devices(b, dev))
        return false;
    pts = new_mount("devpts", pts_options, ARRAY_LEN(pts_options),
                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (pts < 0 || mkdirat(dev->mount, "pts", 0755) != 0 || !attach(pts, dev->mount, "pts"))
        return err_sys(b->e, EX_HOST, "mounting /dev/pts in the jail");
    shm = our_folder(b, 01777);
    if (shm < 0 || !set_flags(shm, HARDENED, 0) || mkdirat(dev->mount, "shm", 0755) != 0 ||
        !attach(shm, dev->mount, "shm"))
        return err_sys(b->e, EX_HOST, "mounting /dev/shm in the jail");
    return true;
}

/*
 * The pid namespace's own limit (Linux 6.14). An older kernel has none: then the cgroup's
 * pids.max, where there is one, or the watch on processes must do.
 */
static void limit_pids(const struct builder *b, const struct node *proc)
{
    const uint64_t least = 301, most = 1u << 22; /* what the kernel takes */
    uint64_t n = b->processes + 2;               /* J, and the number that is never given */
    char text[24];
    AUTO_CLOSE int fd = -1;

    if (b->processes == 0 || n > most)
        return;
    fd = openat(proc->mount, "sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)(n < least ? least : n));
    if (fd >= 0)
        (void)fd_write_all(fd, text, strlen(text));
}

/*
 * root of the host stays its own uid inside (the map is the identity), so the permission
 * bits of these would let it change the machine although it has no capability.
 */
static bool protect_proc(struct builder *b, const struct node *proc)
{
    static const char *const names[] = {"sys",  "sysrq-trigger", "irq",  "bus",    "fs",     "acpi",
                                        "scsi", "dynamic_debug", "mtrr", "asound", "driver", "tty"};

    if (geteuid() != 0)
        return true;
    limit_pids(b, proc);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_CLOSE int copy = copy_mount(proc->mount, names[i], 0);
        if (copy < 0 && errno == ENOENT)
            continue;
        if (copy < 0 || !set_flags(copy, HARDENED | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, 0) ||
            !attach(copy, proc->mount, names[i]))
            return err_sys(b->e, EX_HOST, "making /proc/%s read-only in the jail", names[i]);
    }
    return true;
}

/* The links of the host, where their folder is one of ours. */
static bool make_links(struct builder *b)
{
    for (size_t i = 0; i < b->t->nlinks; i++) {
        const struct link *l = &b->t->links[i];
        const struct node *n = tree_nearest(b->t, l->path);
        const char *below = tree_below(n, l->path), *slash;
        if (!node_is_ours(n) || below == NULL || below[0] == '\0')
            continue;
        slash = strrchr(below, '/');
        if (slash != NULL) {
            char *parent = arena_strndup(&b->t->mem, below, (size_t)(slash - below));
            if (!make_point(n->mount, parent, true))
                return err_sys(b->e, EX_HOST, "making the folder of %s", l->path);
        }
        if (symlinkat(l->target, n->mount, below) != 0 && errno != EEXIST)
            return err_sys(b->e, EX_HOST, "making the link %s", l->path);
    }
    return true;
}

static bool seal_folders(struct builder *b)
{
    for (size_t i = 0; i < b->t->n; i++) {
        const struct node *n = &b->t->nodes[i];
        if (n->kind != NODE_FOLDER && n->kind != NODE_DEV)
            continue;
        if (!set_flags(n->mount, HARDENED | MOUNT_ATTR_RDONLY, 0))
            return err_sys(b->e, EX_HOST, "making %s read-only in the jail", n->path);
    }
    return true;
}

static bool pivot(struct builder *b)
{
    struct stat here, above;

    /* The old root lands on top of the new one and is taken off, see pivot_root(2). */
    if (fchdir(b->t->nodes[0].mount) != 0 || syscall(SYS_pivot_root, ".", ".") != 0)
        return err_sys(b->e, EX_HOST, "entering the jail's root (pivot_root)");
    if (syscall(SYS_umount2, ".", DETACH) != 0 || chdir("/") != 0)
        return err_sys(b->e, EX_HOST, "leaving the host's root");
    /* If anything were left above the root, "/.." would lead there. */
    if (stat("/", &here) != 0 || stat("/..", &above) != 0)
        return err_sys(b->e, EX_HOST, "looking at the jail's root");
    if (here.st_dev != above.st_dev || here.st_ino != above.st_ino)
        return err_set(b->e, EX_HOST, "the host's root is still there above the jail's");
    return true;
}

static bool make_base(struct builder *b)
{
    static const char *const options[][2] = {{"source", "belay"}, {"mode", "0755"}};

    b->base = new_mount("tmpfs", options, ARRAY_LEN(options), HARDENED);
    /* Attached, because copies can only be taken of attached mounts; below the old root, with
     * which it goes. On "/" itself it would be what the one umount of pivot() takes off. */
    if (b->base < 0 || !attach(b->base, AT_FDCWD, "/proc"))
        return err_sys(b->e, EX_HOST,
                       "mounting a tmpfs for the jail (Linux 5.12 or later is needed)");
    return true;
}

bool root_enter(struct tree *t, uint64_t processes, const char *stage, struct err *e)
{
    struct builder b = {.t = t, .processes = processes, .base = -1, .stage = stage, .e = e};
    bool ok = make_base(&b);

    for (size_t i = 0; ok && i < t->n; i++) {
        ok = mount_node(&b, &t->nodes[i]);
        if (ok && t->nodes[i].kind == NODE_DEV)
            ok = make_dev(&b, &t->nodes[i]);
        if (ok && t->nodes[i].kind == NODE_PROC)
            ok = protect_proc(&b, &t->nodes[i]);
        if (ok && t->nodes[i].kind == NODE_STAGE)
            ok = take_staged(&b, &t->nodes[i]);
    }
    ok = ok && make_links(&b) && seal_folders(&b) && pivot(&b);
    mem_auto_close(&b.base);
    return ok;
}

int root_open_pty(struct err *e)
{
    AUTO_CLOSE int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int unlocked = 0;

    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) != 0) {
        err_sys(e, EX_HOST, "opening a terminal in the jail");
        return -1;
    }
    return fd_take(&master);
}
