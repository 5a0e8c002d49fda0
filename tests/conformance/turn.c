/*
 * Conformance: timers, wakes, watches, the turn itself, and refusal.
 */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/sock.h"
#include "harness.h"

static int64_t last_deadline;

static void in_order(struct call *call)
{
    cr_assert_eq(call->result, 0);
    cr_assert_geq(call->op.deadline_ns, last_deadline);
    cr_assert_geq(io_now(call->io), call->op.deadline_ns);
    last_deadline = call->op.deadline_ns;
}

void case_timers_in_order(enum io_backend_kind kind)
{
    enum { COUNT = 500 };
    struct io *io = io_open(kind);
    static struct call calls[COUNT];
    int64_t start = clock_now();
    srand(1);
    for (int i = 0; i < COUNT; i++) {
        calls[i] = call_make(io);
        calls[i].then = in_order;
        io_timer(io, &calls[i].op, start + (int64_t)(rand() % 50) * MS);
    }
    cr_assert_eq(io_busy_count(io), 0, "timers are not counted");
    for (int i = 0; i < COUNT; i += 7) {
        io_cancel(io, &calls[i].op);
        calls[i].then = NULL;
    }
    for (int i = 0; i < COUNT; i++) {
        turn_until(&calls[i], 1);
        cr_assert_eq(calls[i].result, i % 7 == 0 ? -ECANCELED : 0);
    }
    io_shut(io);
}

static void tick(struct call *call)
{
    if (call->ends < 5) {
        io_timer(call->io, &call->op, io_now(call->io) + 5 * MS);
    }
}

void case_timer_armed_again_inside(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct call call = call_make(io);
    call.then = tick;
    int64_t start = clock_now();
    io_timer(io, &call.op, start + 5 * MS);
    turn_until(&call, 5);
    cr_assert_geq(clock_now() - start, (int64_t)25 * MS);
    io_shut(io);
}

static void past_again(struct call *call)
{
    if (call->ends < 3) {
        io_timer(call->io, &call->op, 0);
    }
}

void case_turn_deadline(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int64_t start = clock_now();
    turn(io, 20);
    cr_assert_geq(clock_now() - start, (int64_t)20 * MS, "it returned early");
    cr_assert_geq(io_now(io), start + (int64_t)20 * MS);
    /* an idle turn with a past deadline does not wait, and neither does a timer of the past */
    start = clock_now();
    for (int i = 0; i < 10; i++) {
        turn(io, -1000);
    }
    struct call call = call_make(io);
    call.then = past_again;
    io_timer(io, &call.op, -5);
    turn(io, 10000);
    cr_assert_eq(call.ends, 1, "one that is armed inside waits for the next turn");
    turn_until(&call, 3);
    /* with no limit a timer is enough to come back */
    io_timer(io, &call.op, clock_now() + 10 * MS);
    turn(io, NO_LIMIT);
    cr_assert_lt(clock_now() - start, (int64_t)3000 * MS);
    io_shut(io);
}

struct waker {
    struct io *io;
    int wakes;
    atomic_int asked;
};

static void on_wake(void *ctx)
{
    struct waker *waker = ctx;
    waker->wakes++;
}

static void *wake_often(void *ctx)
{
    struct waker *waker = ctx;
    for (int i = 0; i < 200; i++) {
        waker->asked++;
        io_wake(waker->io);
        if (i % 10 == 0) {
            usleep(1000);
        }
    }
    return NULL;
}

void case_wake(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    struct waker waker = {.io = io};
    io_wake(io);
    io_on_wake(io, on_wake, &waker);
    turn(io, 2000);
    cr_assert_eq(waker.wakes, 1, "a wake before the turn counts");
    turn_dry(io);
    cr_assert_eq(waker.wakes, 1);
    for (int i = 0; i < 5; i++) {
        io_wake(io);
    }
    turn_dry(io);
    cr_assert_eq(waker.wakes, 2, "wakes are merged");
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, wake_often, &waker), 0);
    int64_t limit = clock_now() + (int64_t)5000 * MS;
    while (waker.asked < 200) {
        int wakes = waker.wakes;
        turn(io, 5000);
        cr_assert_gt(waker.wakes, wakes, "the turn slept through a wake");
        cr_assert_lt(clock_now(), limit);
    }
    pthread_join(thread, NULL);
    turn_dry(io);
    cr_assert_geq(waker.wakes, 3);
    int wakes = waker.wakes;
    io_wake(io);
    turn(io, 2000);
    cr_assert_eq(waker.wakes, wakes + 1, "it still works after all that");
    cr_assert_eq(io_busy_count(io), 0, "the io's own op is not counted");
    io_shut(io);
}

void case_watch(enum io_backend_kind kind)
{
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call call = call_make(io);
    io_watch(io, &call.op, pair[0], POLLIN | POLLOUT);
    turn_until(&call, 1);
    cr_assert_eq(call.result, POLLOUT);
    io_watch(io, &call.op, pair[0], POLLIN);
    turn_dry(io);
    cr_assert_eq(call.ends, 1);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    turn_until(&call, 2);
    cr_assert_eq(call.result, POLLIN);
    /* it takes nothing, and holds again at once */
    io_watch(io, &call.op, pair[0], POLLIN);
    turn_until(&call, 3);
    cr_assert_eq(call.result, POLLIN);
    close(pair[1]);
    io_watch(io, &call.op, pair[0], 0);
    turn_until(&call, 4);
    cr_assert_eq(call.result & POLLHUP, POLLHUP);
    io_close(io, pair[0]);
    /* a pipe, and what epoll does not take at all */
    int ends[2];
    cr_assert_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    io_watch(io, &call.op, ends[1], POLLOUT);
    turn_until(&call, 5);
    cr_assert_eq(call.result, POLLOUT);
    close(ends[0]);
    io_watch(io, &call.op, ends[1], 0);
    turn_until(&call, 6);
    cr_assert_eq(call.result, POLLERR);
    io_close(io, ends[1]);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    io_watch(io, &call.op, file, POLLIN);
    turn_until(&call, 7);
    cr_assert_eq(call.result, POLLIN);
    io_close(io, file);
    io_shut(io);
}

void case_watch_no_events(enum io_backend_kind kind)
{
    /* what a relay does that must not read: data and half-close are no news, a reset is */
    struct io *io = io_open(kind);
    int pair[2];
    make_tcp_pair(pair);
    struct call call = call_make(io);
    io_watch(io, &call.op, pair[0], 0);
    turn_dry(io);
    cr_assert_eq(write(pair[1], "data", 4), 4);
    turn_dry(io);
    cr_assert_eq(call.ends, 0, "data ended it: %d", call.result);
    cr_assert_eq(sock_shutdown_write(pair[1]), 0);
    turn_dry(io);
    cr_assert_eq(call.ends, 0, "half-close ended it: %d", call.result);
    /* armed anew while it is half-closed */
    cancel_and_wait(&call);
    cr_assert_eq(call.result, -ECANCELED);
    io_watch(io, &call.op, pair[0], 0);
    turn_dry(io);
    cr_assert_eq(call.ends, 1, "%d", call.result);
    int64_t start = clock_now();
    turn(io, 30);
    cr_assert_geq(clock_now() - start, (int64_t)30 * MS, "the turn spins on it");
    cr_assert_eq(sock_set_abort(pair[1]), 0);
    close(pair[1]);
    turn_until(&call, 2);
    cr_assert_eq(call.result & (POLLERR | POLLHUP), call.result);
    /* and it holds on, as poll(2) has it */
    io_watch(io, &call.op, pair[0], 0);
    turn_until(&call, 3);
    cr_assert_gt(call.result, 0);
    io_close(io, pair[0]);
    io_shut(io);
}

void case_hung_up_does_not_spin(enum io_backend_kind kind)
{
    /* a dead socket that nobody looks at must not keep the turn from sleeping */
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    uint8_t memory[8];
    struct call call = call_make(io);
    recv_one(&call, pair[0], memory, sizeof(memory));
    turn_dry(io);
    cr_assert_eq(write(pair[1], "abcdefgh", 8), 8);
    turn_until(&call, 1);
    cr_assert_eq(write(pair[1], "rest", 4), 4);
    close(pair[1]);
    turn_dry(io);
    int64_t start = clock_now();
    turn(io, 30);
    cr_assert_geq(clock_now() - start, (int64_t)30 * MS, "the turn spins");
    /* nothing was lost */
    recv_one(&call, pair[0], memory, sizeof(memory));
    turn_until(&call, 2);
    cr_assert_eq(call.result, 4);
    recv_one(&call, pair[0], memory, sizeof(memory));
    turn_until(&call, 3);
    cr_assert_eq(call.result, 0);
    io_close(io, pair[0]);
    io_shut(io);
}

void case_more_than_the_queues_hold(enum io_backend_kind kind)
{
    /* more requests than a submission queue has entries, more results than a completion queue */
    enum { COUNT = 20000 };
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    struct call *calls = calloc(COUNT, sizeof(*calls));
    cr_assert_not_null(calls);
    /* the second round cancels as many at once */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            calls[i] = call_make(io);
            io_watch(io, &calls[i].op, pair[0], round == 0 ? POLLOUT : POLLIN);
        }
        if (round == 1) {
            turn_dry(io);
            for (int i = 0; i < COUNT; i++) {
                io_cancel(io, &calls[i].op);
            }
        }
        for (int i = 0; i < COUNT; i++) {
            turn_until(&calls[i], 1);
            cr_assert_eq(calls[i].result, round == 0 ? POLLOUT : -ECANCELED);
        }
    }
    free(calls);
    io_close(io, pair[0]);
    io_close(io, pair[1]);
    io_shut(io);
}

void case_made_again_and_again(enum io_backend_kind kind)
{
    for (int i = 0; i < 20; i++) {
        struct io *io = io_open(kind);
        struct call call = call_make(io);
        int pair[2];
        make_pair(pair);
        send_one(&call, pair[0], "x", 1);
        turn_until(&call, 1);
        io_close(io, pair[0]);
        io_close(io, pair[1]);
        io_shut(io);
    }
}

/* ---- refusal ------------------------------------------------------------------------------ */

/* Makes a system call fail with that error in this process, as a container's profile does. */
static void forbid(int call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

void case_refused(int call, int error, const char *word)
{
    forbid(call, error);
    int r = 0;
    char why[256] = "";
    struct io *io = io_make(IO_BACKEND_URING, &r, why, sizeof(why));
    cr_assert_null(io);
    cr_assert_eq(r, -error);
    cr_assert_not_null(strstr(why, word), "no reason: %s", why);
    io = io_make(IO_BACKEND_AUTO, &r, why, sizeof(why));
    cr_assert_not_null(io);
    cr_assert_eq(r, 0);
    cr_assert_str_eq(io_backend_name(io), "epoll");
    cr_assert_not_null(strstr(why, word), "no reason: %s", why);
    io_shut(io);
    io = io_make(IO_BACKEND_AUTO, &r, NULL, 0);
    cr_assert_not_null(io);
    io_shut(io);
}

void case_kernel_takes_nothing(enum io_backend_kind kind)
{
    /* while the kernel is out of memory, requests wait here, and can be cancelled here */
    enum { COUNT = 3000 };
    struct io *io = io_open(kind);
    int pair[2];
    make_pair(pair);
    static struct call calls[COUNT];
    forbid(SYS_io_uring_enter, EAGAIN);
    for (int i = 0; i < COUNT; i++) {
        calls[i] = call_make(io);
        io_watch(io, &calls[i].op, pair[0], POLLIN);
    }
    for (int i = 0; i < 3; i++) {
        turn(io, 1);
    }
    cr_assert_eq(io_busy_count(io), COUNT);
    int told = 0;
    for (int i = 0; i < COUNT; i++) {
        io_cancel(io, &calls[i].op);
    }
    turn(io, 1);
    for (int i = 0; i < COUNT; i++) {
        told += calls[i].ends;
        cr_assert(calls[i].ends == 0 || calls[i].result == -ECANCELED);
    }
    cr_assert_geq(told, 1000, "those that the kernel never saw end at once: %d", told);
    /* the rest is the kernel's, and it is deaf for good: nothing can be freed here */
}
