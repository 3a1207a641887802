/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent sees and may do: mounts, identity, descriptors, terminal, ways to fail. */
#include "jail_run.h"

#include <dirent.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define STARTED(r)                        \
    do {                                  \
        if ((r).status < 0)               \
            printf("# %s\n", (r).e.text); \
        CHECK((r).status >= 0);           \
    } while (0)

TEST(runs_and_reports_exit)
{
    struct run r;

    run_script("echo hello; exit 7", &r);
    STARTED(r);
    CHECK_STR(r.out, "hello\n");
    CHECK(WIFEXITED(r.status));
    CHECK_INT(WEXITSTATUS(r.status), 7);
    run_script("kill -TERM $$", &r);
    CHECK(WIFSIGNALED(r.status));
    CHECK_INT(WTERMSIG(r.status), SIGTERM);
}

static void run_argv0(const char *name, struct run *r)
{
    char copy[256];
    char *argv[] = {copy, NULL};
    struct setup s;

    snprintf(copy, sizeof(copy), "%s", name);
    setup_init(&s, argv);
    run_setup(&s, r);
}

TEST(a_missing_command)
{
    struct run r;

    run_argv0("no-such-command", &r);
    STARTED(r);
    CHECK_INT(r.exec_error, ENOENT);
    CHECK_INT(WEXITSTATUS(r.status), EX_NOTFOUND);
    run_argv0("/no/such/command", &r);
    CHECK_INT(r.exec_error, ENOENT);
    CHECK_INT(WEXITSTATUS(r.status), EX_NOTFOUND);
}

TEST(a_command_that_cannot_be_executed)
{
    struct run r;

    run_argv0("/etc/passwd", &r);
    STARTED(r);
    CHECK_INT(r.exec_error, EACCES);
    CHECK_INT(WEXITSTATUS(r.status), EX_CANTRUN);
    run_argv0("/etc", &r);
    CHECK_INT(r.exec_error, EACCES);
    CHECK_INT(WEXITSTATUS(r.status), EX_CANTRUN);
}

TEST(a_working_folder_that_is_hidden)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    s.plan.cwd = "/root/nowhere";
    run_setup(&s, &r);
    CHECK_INT(r.status, -1);
    CHECK(has(r.e.text, "/root/nowhere"));
}

TEST(nothing_but_the_plan_is_visible)
{
    struct run r;

    run_script("ls -A /; echo; ls -A /run /tmp /home 2>&1; ls /..; stat -c %i / /..", &r);
    STARTED(r);
    CHECK(has(r.out, "usr"));
    CHECK(strstr(r.out, "sys\n") == NULL);
    CHECK(strstr(r.out, "root\n") == NULL);
    CHECK(strstr(r.out, "var\n") == NULL);
}

TEST(no_mount_of_the_host_remains)
{
    struct run r;

    run_script("awk '{print $5, $4}' /proc/self/mountinfo", &r);
    STARTED(r);
    CHECK(strncmp(r.out, "/ /0\n", 5) == 0); /* the jail's own tmpfs is all there is at / */
    CHECK(strstr(r.out, "\n/ /") == NULL);
    CHECK(strstr(r.out, "\n/sys") == NULL);
}

TEST(read_is_read_only_and_write_writes)
{
    struct run r;

    run_script("echo x > ok && cat ok; mkdir -p d/e && mv ok d/e/ && ls d/e; echo x > ../no;"
               "rm -rf d; ls; touch /usr/no /etc/no /no; ls / | grep -c no",
               &r);
    STARTED(r);
    CHECK(has(r.out, "x\nok\n"));
    CHECK(has(r.out, "../no: Read-only file system"));
    CHECK(has(r.out, "'/usr/no': Read-only file system"));
    CHECK(has(r.out, "'/no': Read-only file system"));
    CHECK(has(r.out, "0\n"));
    CHECK(access(in_ws("../no"), F_OK) != 0);
}

TEST(children_override_parents)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"cat secret/key; ls -A secret; echo x > secret/new; cat file;"
                             "echo x > hooks/post; echo x > hooks/tmp/ok && echo wrote;"
                             "mv hooks away; rm -rf secret; cat secret/deep/shown; ls secret"},
                    NULL};
    struct setup s;
    struct run r;
    char paths[5][256];

    for (int i = 0; i < 5; i++) {
        static const char *const names[] = {"secret", "hooks", "hooks/tmp", "file",
                                            "secret/deep/shown"};
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", play_ws, names[i]);
    }
    mkdir(paths[0], 0755);
    mkdir(in_ws("secret/deep"), 0755);
    mkdir(paths[1], 0755);
    mkdir(paths[2], 0755);
    put_file(in_ws("secret/key"), "the key\n");
    put_file(paths[4], "shown\n");
    put_file(paths[3], "hidden file\n");
    setup_init(&s, argv);
    setup_add(&s, paths[2], JAIL_WRITE);
    setup_add(&s, paths[0], JAIL_HIDE);
    setup_add(&s, paths[4], JAIL_READ);
    setup_add(&s, paths[3], JAIL_HIDE);
    setup_add(&s, paths[1], JAIL_READ);
    setup_add(&s, in_ws("not-there/at-all"), JAIL_HIDE);
    run_setup(&s, &r);
    STARTED(r);
    CHECK(strstr(r.out, "the key") == NULL);
    CHECK(strstr(r.out, "hidden file") == NULL);
    CHECK(has(r.out, "hooks/post: Read-only file system"));
    CHECK(has(r.out, "wrote\n"));
    CHECK(has(r.out, "mv: cannot move 'hooks'"));
    CHECK(has(r.out, "shown\n"));
    CHECK(has(r.out, "deep\n"));
    CHECK(access(in_ws("secret/key"), F_OK) == 0);
    CHECK(access(in_ws("hooks/tmp/ok"), F_OK) == 0);
    CHECK(access(in_ws("not-there"), F_OK) != 0); /* no ghosts */
}

TEST(a_link_in_a_writable_place_widens_nothing)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"cat link/key; ls -A link/; cat hidden 2>&1"}, NULL};
    struct setup s;
    struct run r;
    char outside[256], link[256], hidden[256], target[256];

    snprintf(outside, sizeof(outside), "%s/outside", play_ws);
    snprintf(link, sizeof(link), "%s/sub/link", play_ws);
    snprintf(hidden, sizeof(hidden), "%s/sub/hidden", play_ws);
    snprintf(target, sizeof(target), "%s/sub/target", play_ws);
    mkdir(outside, 0755);
    put_file(in_ws("outside/key"), "the key\n");
    mkdir(in_ws("sub"), 0755);
    put_file(target, "secret target\n");
    CHECK(symlink(outside, link) == 0);
    CHECK(symlink("target", hidden) == 0);
    setup_init(&s, argv);
    s.plan.nmounts--; /* not the workspace: only a folder in it */
    s.mounts[s.plan.nmounts - 1].access = JAIL_HIDE;
    setup_add(&s, in_ws("sub"), JAIL_WRITE);
    setup_add(&s, link, JAIL_READ);
    setup_add(&s, hidden, JAIL_HIDE);
    s.plan.cwd = in_ws("sub");
    run_setup(&s, &r);
    STARTED(r);
    CHECK(strstr(r.out, "the key") == NULL);
    CHECK(strstr(r.out, "secret target") == NULL);
    unlink(link);
    unlink(hidden);
}

TEST(links_on_the_way_are_kept)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"pwd -P; cat f; readlink ../way"},
                    NULL};
    struct setup s;
    struct run r;
    char way[256], real[256];

    snprintf(real, sizeof(real), "%s/real", play_ws);
    snprintf(way, sizeof(way), "%s/way", play_ws);
    mkdir(real, 0755);
    put_file(in_ws("real/f"), "through\n");
    CHECK(symlink("real", way) == 0);
    setup_init(&s, argv);
    s.plan.nmounts -= 2;
    setup_add(&s, way, JAIL_WRITE);
    s.plan.cwd = way;
    run_setup(&s, &r);
    STARTED(r);
    CHECK(has(r.out, "through\nreal\n"));
    unlink(way);
}

TEST(files_of_its_own_content)
{
    static const char script[] = "cat /etc/hostname /run/belay/ca.pem over gone hidden/new 2>&1;"
                                 "stat -c %a /run/belay/ca.pem over; echo x >over; rm -f over;"
                                 "mv over away; chmod 700 over; cat over";
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    char over[256], gone[256], hidden[256], in_hidden[256];
    struct jail_file files[] = {{"/etc/hostname", "name\n", 5, 0444},
                                {"/run/belay/ca.pem", "ca\n", 3, 0444},
                                {over, "mine\n", 5, 0400},
                                {gone, "never\n", 6, 0444},
                                {in_hidden, "bait\n", 5, 0444}};
    struct setup s;
    struct run r;

    snprintf(over, sizeof(over), "%s/over", play_ws);
    snprintf(gone, sizeof(gone), "%s/gone", play_ws);
    snprintf(hidden, sizeof(hidden), "%s/hidden", play_ws);
    snprintf(in_hidden, sizeof(in_hidden), "%s/hidden/new", play_ws);
    put_file(over, "the host's\n");
    mkdir(hidden, 0755);
    put_file(in_ws("hidden/secret"), "secret\n");
    setup_init(&s, argv);
    setup_add(&s, hidden, JAIL_HIDE);
    s.plan.files = files;
    s.plan.nfiles = sizeof(files) / sizeof(files[0]);
    run_setup(&s, &r);
    free(argv[2]);
    STARTED(r);
    CHECK(has(r.out, "name\nca\nmine\n"));
    CHECK(has(r.out, "gone: No such file"));
    CHECK(has(r.out, "bait\n"));
    CHECK(has(r.out, "444\n400\n"));
    CHECK(strlen(r.out) > 5 && strcmp(r.out + strlen(r.out) - 5, "mine\n") == 0);
    CHECK(access(gone, F_OK) != 0 && access(in_hidden, F_OK) != 0);
    unlink(in_ws("hidden/secret"));
    rmdir(hidden);
    unlink(over);
}

TEST(a_file_of_its_own_has_a_place)
{
    static const char *const bad[] = {"/proc/version", "/dev/null", "relative", "/", "/etc", "/a/"};
    char *argv[] = {(char[]){"true"}, NULL};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct jail_file file = {bad[i], "x", 1, 0444};
        struct setup s;
        struct run r;

        setup_init(&s, argv);
        s.plan.files = &file;
        s.plan.nfiles = 1;
        run_setup(&s, &r);
        CHECK_INT(r.status, -1);
        CHECK(has(r.e.text, bad[i]));
    }
}

TEST(the_host_root_read_only)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"ls -A /run /tmp; ls /proc | grep -c '^[0-9]'; ls /dev | wc -l;"
                             "echo x > /etc/no; echo x > ok && echo wrote"},
                    NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    s.plan.nmounts = 0;
    setup_add(&s, "/", JAIL_READ);
    setup_add(&s, play_ws, JAIL_WRITE);
    run_setup(&s, &r);
    STARTED(r);
    CHECK(has(r.out, "/etc/no: Read-only file system"));
    CHECK(has(r.out, "wrote\n"));
    CHECK(has(r.out, "\n13\n")); /* /dev */
}

TEST(no_privilege_is_left)
{
    struct run r;

    run_script(
        "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; echo x > /proc/sys/kernel/"
        "core_pattern; echo b > /proc/sysrq-trigger; id -u; cat /proc/1/environ; ls /proc/1/root;"
        "readlink /proc/1/fd/0 || echo none",
        &r);
    STARTED(r);
    CHECK(has(r.out, "CapPrm:\t0000000000000000"));
    CHECK(has(r.out, "CapEff:\t0000000000000000"));
    CHECK(has(r.out, "CapBnd:\t0000000000000000"));
    CHECK(has(r.out, "CapAmb:\t0000000000000000"));
    CHECK(has(r.out, "NoNewPrivs:\t1"));
    CHECK(has(r.out, "Seccomp:\t2"));
    CHECK(has(r.out, "core_pattern: "));
    CHECK(has(r.out, "sysrq-trigger: "));
    CHECK(has(r.out, "/proc/1/environ: Permission denied"));
    CHECK(has(r.out, "/proc/1/root"));
    CHECK(has(r.out, "none"));
}

TEST(no_descriptor_is_inherited)
{
    int high = fcntl(open("/etc/passwd", O_RDONLY), F_DUPFD, 700);
    struct run r;

    run_script("ls /proc/self/fd; ls -l /proc/self/fd", &r);
    close(high);
    STARTED(r);
    CHECK(strncmp(r.out, "0\n1\n2\n3\n", 8) == 0);
    CHECK(strstr(r.out, "700") == NULL);
}

TEST(folders_terminals_and_sockets_are_refused)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct run r;
    int dir = open("/", O_RDONLY | O_DIRECTORY), sock = socket(AF_INET, SOCK_STREAM, 0);
    int pty = open("/dev/ptmx", O_RDWR | O_NOCTTY), sv[2];

    setup_init(&s, argv);
    s.plan.stdio[0] = dir;
    run_setup(&s, &r);
    CHECK_INT(r.status, -1);
    CHECK(has(r.e.text, "standard input is a folder"));
    s.plan.stdio[0] = sock;
    run_setup(&s, &r);
    CHECK_INT(r.status, -1);
    CHECK(has(r.e.text, "socket"));
    s.plan.stdio[0] = pty;
    run_setup(&s, &r);
    CHECK(pty < 0 || r.status == -1);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
    s.plan.stdio[0] = sv[0];
    run_setup(&s, &r);
    STARTED(r);
    close(dir);
    close(sock);
    close(pty);
    close(sv[0]);
    close(sv[1]);
}

TEST(a_terminal_of_its_own)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"tty; stty size; test -t 0 && test -t 1 && echo both; "
                             "echo via-tty > /dev/tty; ps -o tty= -p $$"},
                    NULL};
    struct setup s;
    struct jail j;
    struct run r = {.status = -1};
    size_t n = 0;
    ssize_t got;

    setup_init(&s, argv);
    s.plan.pty_mask = 7;
    s.plan.winsize = (struct winsize){.ws_row = 33, .ws_col = 77};
    CHECK(jail_start(&s.plan, &j, &r.e));
    CHECK(j.pty >= 0);
    CHECK(jail_release(&j, &r.e));
    wait_exit(&j, &r);
    while (n < sizeof(r.out) - 1 && (got = read(j.pty, r.out + n, sizeof(r.out) - 1 - n)) > 0)
        n += (size_t)got;
    jail_close(&j);
    CHECK(has(r.out, "/dev/pts/0"));
    CHECK(has(r.out, "33 77"));
    CHECK(has(r.out, "both"));
    CHECK(has(r.out, "via-tty"));
}

/* Reads from the terminal's master until `part` came, or 5 s. */
static bool shows(struct jail *j, const char *part)
{
    static char seen[4096];
    size_t n = 0;

    for (int i = 0; i < 500 && n < sizeof(seen) - 1; i++) {
        ssize_t got = read(j->pty, seen + n, sizeof(seen) - 1 - n);
        n += got > 0 ? (size_t)got : 0;
        seen[n] = '\0';
        if (strstr(seen, part) != NULL)
            return true;
        sleep_ms(10);
    }
    printf("# no \"%s\" in: %s\n", part, seen);
    return false;
}

TEST(interrupts_and_sizes_reach_the_agent)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"trap 'stty size' WINCH; trap 'echo interrupted; exit 5' INT;"
                             "echo ready; while :; do sleep 0.05; done"},
                    NULL};
    const struct winsize bigger = {.ws_row = 50, .ws_col = 160};
    struct setup s;
    struct jail j;
    struct run r = {.status = -1};

    setup_init(&s, argv);
    s.plan.pty_mask = 7;
    CHECK(jail_start(&s.plan, &j, &r.e) && jail_release(&j, &r.e));
    CHECK(shows(&j, "ready"));
    CHECK(ioctl(j.pty, TIOCSWINSZ, &bigger) == 0);
    CHECK(shows(&j, "50 160"));
    CHECK(write(j.pty, "\x03", 1) == 1);
    CHECK(shows(&j, "interrupted"));
    wait_exit(&j, &r);
    jail_close(&j);
    CHECK(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 5);
}

/* Outside of the folders of processes nothing of /proc may be opened for writing; root's own
 * permission bits would let it, without any capability. */
static int write_proc(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    int fd;

    (void)st;
    if (at->level == 1 &&
        strspn(path + strlen("/proc/"), "0123456789") == strlen(path + strlen("/proc/")))
        return FTW_SKIP_SUBTREE;
    /* Anybody may open these on any host; what is written there takes capabilities, or only
     * sets an alarm for the writer itself. */
    if (strcmp(path, "/proc/pressure") == 0)
        return FTW_SKIP_SUBTREE;
    if (kind != FTW_F || strcmp(path, "/proc/sys/kernel/ns_last_pid") == 0)
        return FTW_CONTINUE;
    fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return FTW_CONTINUE;
    close(fd);
    puts(path);
    return FTW_CONTINUE;
}

static int inside(int argc, char **argv)
{
    return argc == 1 && strcmp(argv[0], "proc") == 0
               ? nftw("/proc", write_proc, 32, FTW_PHYS | FTW_ACTIONRETVAL)
               : 9;
}

TEST(nothing_of_proc_is_writable_but_processes)
{
    char *argv[] = {play_self, (char[]){"inside"}, (char[]){"proc"}, NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    s.plan.net = true;
    run_setup(&s, &r);
    CHECK_INT(r.status, 0);
    CHECK_STR(r.out, "");
}

TEST(limits_hold)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"ulimit -n; ulimit -c; head -c 200000 /dev/zero > big; wc -c < big"},
                    NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    s.plan.limits = (struct jail_limits){.open_files = 99, .file_size = 100000};
    run_setup(&s, &r);
    STARTED(r);
    CHECK(has(r.out, "99\n0\n"));
    CHECK(has(r.out, "100000\n"));
    unlink(in_ws("big"));
}

TEST(a_device_is_as_writable_as_the_plan_says)
{
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exec 3<>/dev/fuse && echo opened"},
                    NULL};
    struct setup s;
    struct run r;

    if (access("/dev/fuse", R_OK | W_OK) != 0)
        SKIP("no /dev/fuse that this user can open");
    setup_init(&s, argv);
    setup_add(&s, "/dev/fuse", JAIL_WRITE);
    run_setup(&s, &r);
    CHECK(has(r.out, "opened"));
    setup_init(&s, argv);
    setup_add(&s, "/dev/fuse", JAIL_READ);
    run_setup(&s, &r);
    CHECK(has(r.out, "Permission denied"));
}

/* A caller without 0, 1 and 2: its sockets get these numbers. */
TEST(a_caller_without_standard_descriptors)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo x > no-stdio"}, NULL};
        struct setup s;
        struct jail j;
        struct run r = {.status = -1};
        close(0);
        close(1);
        close(2);
        setup_init(&s, argv);
        if (!jail_start(&s.plan, &j, &r.e) || !jail_release(&j, &r.e))
            _exit(2);
        wait_exit(&j, &r);
        jail_close(&j);
        _exit(r.status == 0 ? 0 : 3);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    CHECK(access(in_ws("no-stdio"), F_OK) == 0);
}

TEST(a_kernel_that_is_too_old_is_refused)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct run r;

    setup_init(&s, argv);
    s.plan.min_landlock = 200;
    run_setup(&s, &r);
    CHECK_INT(r.status, -1);
    CHECK_INT(r.e.code, EX_HOST);
    CHECK(has(r.e.text, "the policy asks for 200"));
}

static bool write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return ok;
}

/* In a user namespace of its own a test can set the limits that a host may have. */
static int without(const char *limit, const char *part)
{
    char *argv[] = {(char[]){"true"}, NULL};
    char users[64], groups[64];
    struct setup s;
    struct jail j;
    struct err e = {0};

    snprintf(users, sizeof(users), "0 %u 1", geteuid());
    snprintf(groups, sizeof(groups), "0 %u 1", getegid());
    if (unshare(CLONE_NEWUSER) != 0 || !write_to("/proc/self/setgroups", "deny") ||
        !write_to("/proc/self/uid_map", users) || !write_to("/proc/self/gid_map", groups) ||
        !write_to(limit, "0"))
        return 77;
    setup_init(&s, argv);
    if (jail_start(&s.plan, &j, &e) || e.code != EX_HOST)
        return 1;
    return has(e.text, part) ? 0 : 2;
}

TEST(a_host_without_namespaces_is_told_why)
{
    static const char *const limits[][2] = {
        {"/proc/sys/user/max_user_namespaces", "user.max_user_namespaces is 0"},
        {"/proc/sys/user/max_net_namespaces", "user.max_*_namespaces"},
        {"/proc/sys/user/max_mnt_namespaces", "user.max_*_namespaces"}};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int status;
        pid_t pid;
        fflush(stdout);
        pid = fork();
        if (pid == 0)
            _exit(without(limits[i][0], limits[i][1]));
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
            SKIP("no user namespace to try it in");
        CHECK_INT(WEXITSTATUS(status), 0);
    }
}

TEST(plans_that_cannot_be_are_refused)
{
    char *argv[] = {(char[]){"true"}, NULL};
    struct setup s;
    struct run r;
    uint16_t ports[1] = {1};

    setup_init(&s, argv);
    setup_add(&s, "usr", JAIL_READ);
    run_setup(&s, &r);
    CHECK(r.status == -1 && has(r.e.text, "not a clean absolute path"));
    setup_init(&s, argv);
    setup_add(&s, "/usr/../etc", JAIL_READ);
    run_setup(&s, &r);
    CHECK(r.status == -1 && has(r.e.text, "not a clean absolute path"));
    setup_init(&s, argv);
    s.plan.session = "a/b";
    run_setup(&s, &r);
    CHECK(r.status == -1 && has(r.e.text, "session id"));
    setup_init(&s, argv);
    s.plan.host_ports = ports;
    s.plan.nhost_ports = JAIL_HOST_PORTS_MAX + 1;
    run_setup(&s, &r);
    CHECK(r.status == -1 && has(r.e.text, "ports"));
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d != NULL && readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

TEST(no_descriptor_leaks_here)
{
    char *argv[] = {(char[]){"true"}, NULL};
    char *bad[] = {(char[]){"no-such-command"}, NULL};
    struct setup s;
    struct run r;
    int before = count_fds();

    for (int i = 0; i < 3; i++) {
        setup_init(&s, i == 1 ? bad : argv);
        s.plan.net = true;
        s.plan.traps = i == 2 ? 0 : TRAP_CONNECT;
        s.plan.pty_mask = 1;
        s.plan.cwd = i == 2 ? "/nowhere" : play_ws;
        run_setup(&s, &r);
        CHECK_INT(r.status >= 0, i != 2);
    }
    CHECK_INT(count_fds(), before);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* no child is left either */
}

JAIL_MAIN(inside, UNIT(runs_and_reports_exit), UNIT(a_missing_command),
          UNIT(a_command_that_cannot_be_executed), UNIT(a_working_folder_that_is_hidden),
          UNIT(nothing_but_the_plan_is_visible), UNIT(no_mount_of_the_host_remains),
          UNIT(read_is_read_only_and_write_writes), UNIT(children_override_parents),
          UNIT(a_link_in_a_writable_place_widens_nothing), UNIT(links_on_the_way_are_kept),
          UNIT(files_of_its_own_content), UNIT(a_file_of_its_own_has_a_place),
          UNIT(the_host_root_read_only), UNIT(no_privilege_is_left),
          UNIT(no_descriptor_is_inherited), UNIT(folders_terminals_and_sockets_are_refused),
          UNIT(a_terminal_of_its_own), UNIT(interrupts_and_sizes_reach_the_agent),
          UNIT(nothing_of_proc_is_writable_but_processes), UNIT(limits_hold),
          UNIT(a_device_is_as_writable_as_the_plan_says),
          UNIT(a_caller_without_standard_descriptors), UNIT(a_kernel_that_is_too_old_is_refused),
          UNIT(a_host_without_namespaces_is_told_why), UNIT(plans_that_cannot_be_are_refused),
          UNIT(no_descriptor_leaks_here))
