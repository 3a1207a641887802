/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Races against the whole of belay: one thread or process exchanges what a call means while
 * another makes it, thousands of times. The ground (race.py) has a folder `good`, and the folder
 * `bad/hooks` that the policy protects; both hold `pre-push`, which begins with A or B. A win is
 * a descriptor of B that may write, a hook that came about, a program that is forbidden.
 * Duels with a naive supervisor, which must lose, are in test_kern_race.c.
 */
#include "attack.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GOOD "good/pre-push"
#define BAD  "bad/hooks/pre-push"

static int tries, wins, good, refused;
static atomic_bool stop;
static volatile char *text;
static volatile struct open_how how;
static int slot = -1, good_dir = -1, bad_dir = -1;
static time_t end;

static bool more(int limit)
{
    return tries < limit && time(NULL) < end;
}

static int report(void)
{
    printf("%d tries, %d won, %d as judged, %d refused\n", tries, wins, good, refused);
    return effect_if(wins > 0);
}

static void count_open(int fd)
{
    char c = '?';

    tries++;
    if (fd < 0) {
        refused++;
        return;
    }
    bool writable = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
    if (writable && pread(fd, &c, 1, 0) == 1 && c == 'B')
        wins++;
    else
        good++;
    close(fd);
}

static void set_text(const char *s)
{
    for (size_t i = 0;; i++) {
        text[i] = s[i];
        if (s[i] == '\0')
            return;
    }
}

static void *flip_text(void *words)
{
    const char *const *w = words;

    while (!stop) {
        set_text(w[0]);
        set_text(w[1]);
    }
    return NULL;
}

static void *flip_slot(void *unused)
{
    while (!stop) {
        dup2(good_dir, slot);
        dup2(bad_dir, slot);
    }
    return unused;
}

static void *flip_cwd(void *unused)
{
    while (!stop)
        if (fchdir(good_dir) != 0 || fchdir(bad_dir) != 0)
            break;
    return unused;
}

static void *flip_how(void *unused)
{
    while (!stop) {
        how.flags = O_RDONLY;
        how.flags = O_RDWR;
    }
    return unused;
}

/* A folder in which a hook is just being made gets the name that it must not be made under. */
static void *flip_folder(void *unused)
{
    while (!stop) {
        (void)rename("w/plain", "w/hooks");
        (void)rename("w/hooks", "w/plain");
    }
    return unused;
}

static void *flip_link(void *unused)
{
    while (!stop)
        (void)syscall(SYS_renameat2, AT_FDCWD, "turn", AT_FDCWD, "turn2", RENAME_EXCHANGE);
    return unused;
}

static void *flip_entry(void *unused)
{
    while (!stop) {
        (void)unlink("entry");
        if (symlink(BAD, "entry") != 0)
            continue; /* the other side is faster: the next round */
        (void)unlink("entry");
        if (link(GOOD, "entry") != 0)
            continue;
    }
    return unused;
}

static void begin(const char *seconds)
{
    end = time(NULL) + atoi(seconds);
    text = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED)
        exit(UNAVAILABLE);
    set_text(GOOD);
    good_dir = open("good", O_RDONLY | O_DIRECTORY);
    bad_dir = open("bad/hooks", O_RDONLY | O_DIRECTORY);
    slot = dup(good_dir);
}

static int with(const char *seconds, void *(*flip)(void *), const void *arg, int limit,
                int (*attempt)(void))
{
    pthread_t t;
    union {
        const void *in;
        void *out;
    } shed = {arg};

    begin(seconds);
    if (pthread_create(&t, NULL, flip, shed.out) != 0)
        return UNAVAILABLE;
    while (more(limit))
        count_open(attempt());
    stop = true;
    pthread_join(t, NULL);
    return report();
}

static const char *const paths[] = {GOOD, BAD};

static int open_text(void)
{
    return open((const char *)(uintptr_t)text, O_RDWR | O_CLOEXEC);
}

static int race_path(char **args)
{
    return with(args[0], flip_text, paths, 5000, open_text);
}

/* The same, by another process that shares the memory. */
static int race_mapping(char **args)
{
    begin(args[0]);
    pid_t other = fork();
    if (other == 0)
        flip_text((void *)(uintptr_t)paths);
    while (more(5000))
        count_open(open_text());
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    return report();
}

static int open_slot(void)
{
    return openat(slot, "pre-push", O_RDWR | O_CLOEXEC);
}

static int race_descriptor(char **args)
{
    return with(args[0], flip_slot, NULL, 5000, open_slot);
}

static int open_here(void)
{
    return open("pre-push", O_RDWR | O_CLOEXEC);
}

static int race_folder_worked_in(char **args)
{
    return with(args[0], flip_cwd, NULL, 5000, open_here);
}

static int open_how(void)
{
    return (int)syscall(SYS_openat2, AT_FDCWD, BAD, (const void *)(uintptr_t)&how, sizeof(how));
}

static int race_flags(char **args)
{
    return with(args[0], flip_how, NULL, 5000, open_how);
}

static int open_turn(void)
{
    return open("turn/pre-push", O_RDWR | O_CLOEXEC);
}

static int race_link(char **args)
{
    return with(args[0], flip_link, NULL, 5000, open_turn);
}

static int open_entry(void)
{
    return open("entry", O_RDWR | O_CLOEXEC);
}

static int race_entry(char **args)
{
    return with(args[0], flip_entry, NULL, 5000, open_entry);
}

static int make_in_folder(void)
{
    int fd = open("w/plain/pre-push", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

    if (access("w/hooks/pre-push", F_OK) == 0)
        wins++;
    (void)unlink("w/hooks/pre-push");
    (void)unlink("w/plain/pre-push");
    return fd;
}

static int race_folder_renamed(char **args)
{
    return with(args[0], flip_folder, NULL, 5000, make_in_folder);
}

/* Programs: 1 is the exit of what is forbidden. */
static int run(const char *program, char *const argv[], char *const envp[],
               const char *const words[2], int limit)
{
    while (more(limit)) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            pthread_t t;
            (void)pthread_create(&t, NULL, flip_text, (void *)(uintptr_t)words);
            usleep(50);
            execve(program, argv, envp);
            _exit(77);
        }
        waitpid(pid, &status, 0);
        tries++;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
            wins++;
        else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            good++;
        else
            refused++;
    }
    return report();
}

static int race_arguments(char **args)
{
    static const char *const words[] = {"A", "B"};

    begin(args[0]);
    set_text("A");
    char *argv[] = {(char[]){"test"}, (char[]){"A"}, (char[]){"="}, (char *)(uintptr_t)text, NULL};
    return run("/usr/bin/test", argv, (char *[]){NULL}, words, 1000);
}

static int race_variables(char **args)
{
    static const char *const words[] = {"NODE_OPTIONS=A", "NODE_OPTIONS=B"};

    begin(args[0]);
    set_text(words[0]);
    return run("/bin/sh",
               (char *[]){(char[]){"sh"}, (char[]){"-c"}, (char[]){"test $NODE_OPTIONS = A"}, NULL},
               (char *[]){(char *)(uintptr_t)text, NULL}, words, 1000);
}

static int race_program(char **args)
{
    static const char *const words[] = {"/usr/bin/true", "/usr/bin/false"};

    begin(args[0]);
    set_text(words[0]);
    return run((const char *)(uintptr_t)text, (char *[]){(char[]){"x"}, NULL}, (char *[]){NULL},
               words, 1000);
}

const struct attack race_attacks[] = {
    {"race_path", 1, race_path},
    {"race_mapping", 1, race_mapping},
    {"race_descriptor", 1, race_descriptor},
    {"race_folder_worked_in", 1, race_folder_worked_in},
    {"race_flags", 1, race_flags},
    {"race_link", 1, race_link},
    {"race_entry", 1, race_entry},
    {"race_folder_renamed", 1, race_folder_renamed},
    {"race_arguments", 1, race_arguments},
    {"race_variables", 1, race_variables},
    {"race_program", 1, race_program},
    {NULL, 0, NULL},
};
