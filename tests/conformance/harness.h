/*
 * What the conformance cases share. Each case is a function that gets the backend to run on; all
 * are listed in conformance.c.
 */
#ifndef CULVERT_TESTS_CONFORMANCE_HARNESS_H
#define CULVERT_TESTS_CONFORMANCE_HARNESS_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "engine/clock.h"
#include "engine/io.h"

enum { MS = 1000000, NO_LIMIT = -1, ACCEPTED_MAX = 1024 };

/* An op and what was heard of it. */
struct call {
    struct io_op op;
    struct io *io;
    /* ends, results with more, and the last result */
    int ends;
    int mores;
    int result;
    /* called by done after the facts are recorded; may be NULL */
    void (*then)(struct call *call);
    void *ctx;
    struct iovec iov[IO_IOV_MAX];
    /* accepted descriptors */
    int *fds;
};

/* Skips the test when the backend is refused by the system. */
struct io *io_open(enum io_backend_kind kind);
/* Asserts that nothing is left, then frees. */
void io_shut(struct io *io);
/* One turn with the deadline so many milliseconds from now, or NO_LIMIT. */
void turn(struct io *io, int ms);
/* Turns until the call ended `ends` times in all; fails after five seconds. */
void turn_until(struct call *call, int ends);
/* Turns a few times without waiting: whatever can happen has happened. */
void turn_dry(struct io *io);

struct call call_make(struct io *io);
/* Shorthands with one piece. They use call->iov. */
void recv_one(struct call *call, int fd, void *memory, size_t len);
void send_one(struct call *call, int fd, const void *memory, size_t len);
void send_now_one(struct call *call, int fd, const void *memory, size_t len);
/* Cancels and waits for the end. */
void cancel_and_wait(struct call *call);

/* Non-blocking. */
void make_pair(int pair[2]);
/* A listening socket on loopback and its address. */
int make_listener(struct sockaddr_storage *ret_addr, socklen_t *ret_len);
/* Two ends of a TCP connection, without the io; non-blocking. */
void make_tcp_pair(int pair[2]);
/* Fills the send side until it takes no more; the number of bytes. */
size_t fill_socket(int fd);

/* Skips the test when the system does not allow so many. */
void raise_descriptor_limit(unsigned count);

/* Bytes that tell their place in a stream. */
void pattern_fill(uint8_t *memory, size_t len, uint64_t at);
bool pattern_check(const uint8_t *memory, size_t len, uint64_t at);

#endif
