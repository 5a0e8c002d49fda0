/*
 * The broker: what a worker may not do itself, because it needs files, secrets or blocking calls.
 *
 * The worker sends plain requests and gets plain replies, matched by id; where the broker runs is
 * a deployment choice. Here it is a bounded set of threads in the same process. Requests and
 * replies hold no pointers into each other's memory: they are values that could cross a socket.
 */
#ifndef CULVERT_ENGINE_BROKER_H
#define CULVERT_ENGINE_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    /* a DNS name is at most 253 bytes; the rest is room for scope ids and for refusing politely */
    BROKER_HOST_MAX = 1025,
    BROKER_ADDRS_MAX = 16,
    /* the largest key blob or text to sign that we move: an RSA-16384 certificate fits */
    BROKER_BLOB_MAX = 16384,
    BROKER_TEXT_MAX = 512,
    BROKER_USER_MAX = 256,
    /* requests waiting or running; one more is refused with -EAGAIN */
    BROKER_QUEUE_MAX = 1024,
    BROKER_THREADS_MAX = 32,
};

enum broker_kind {
    BROKER_RESOLVE,    /* host, port, family, passive -> addrs */
    BROKER_SIGN_HOST,  /* blob (the exchange hash) -> blob (signature in SSH form) */
    BROKER_AUTHORIZE,  /* user, blob (public key in SSH form), peer -> allowed, blob (options) */
    BROKER_CHECK_HOST, /* blob (the server's host key in SSH form) -> allowed */
    BROKER_SIGN_USER,  /* identity, flags, blob (what to sign) -> blob (signature in SSH form) */
};

struct broker_request {
    enum broker_kind kind;
    /* the asker's, returned unchanged */
    uint64_t id;
    /* RESOLVE: whom it is for; no asker can hold all lookup threads */
    uint64_t asker;
    char host[BROKER_HOST_MAX];
    uint16_t port;
    int family;
    bool passive;
    char user[BROKER_USER_MAX + 1];
    struct sockaddr_storage peer;
    uint32_t identity;
    uint32_t flags;
    uint32_t blob_len;
    uint8_t blob[BROKER_BLOB_MAX];
};

struct broker_reply {
    enum broker_kind kind;
    uint64_t id;
    /* RESOLVE: 0 or a getaddrinfo code (EAI_*); the others: 0 or a negative errno */
    int error;
    bool allowed;
    /* one sentence for the log or the peer, may be empty */
    char text[BROKER_TEXT_MAX];
    uint32_t addrs_count;
    struct sockaddr_storage addrs[BROKER_ADDRS_MAX];
    /* AUTHORIZE: blob is the options text of the line that admits the key, for
     * policy_from_options */
    uint32_t blob_len;
    uint8_t blob[BROKER_BLOB_MAX];
};

/* What the program supplies; each runs on a broker thread and may block. NULL ones are refused. */
struct broker_handlers {
    void (*sign_host)(void *ctx, const struct broker_request *, struct broker_reply *);
    void (*authorize)(void *ctx, const struct broker_request *, struct broker_reply *);
    void (*check_host)(void *ctx, const struct broker_request *, struct broker_reply *);
    void (*sign_user)(void *ctx, const struct broker_request *, struct broker_reply *);
    void *ctx;
};

struct broker;

/* wake runs on a broker thread after a reply was queued: it must only wake the worker. */
struct broker *broker_make(const struct broker_handlers *handlers, void (*wake)(void *ctx),
                           void *wake_ctx);
/* Waits for handlers that run; a name lookup that hangs is left to end by itself. Idempotent. */
void broker_free(struct broker *broker);

/* Copies the request. 0, or -EAGAIN when the queue is full. One slow lookup delays no other. */
__attribute__((warn_unused_result)) int broker_ask(struct broker *broker,
                                                   const struct broker_request *request);
/* A lookup that has not begun is answered with an error at once; anything else goes on. */
void broker_cancel(struct broker *broker, uint64_t id);
/* The next reply, which the caller frees with free(); NULL when there is none now. */
struct broker_reply *broker_answer(struct broker *broker);

#endif
