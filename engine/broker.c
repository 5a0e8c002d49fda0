/*
 * The broker as threads of this process: made when there is work, gone when there is none for a
 * while, never more than BROKER_THREADS_MAX, a few of which no name lookup may take.
 */
#include "engine/broker.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    /* lookups can hang for as long as a resolver likes; signatures and keys must get through */
    LOOKUPS_MAX = BROKER_THREADS_MAX - 4,
    /* lookups that wait: whoever asks for more must not use up the places of signatures and keys */
    LOOKUPS_QUEUE_MAX = BROKER_QUEUE_MAX / 2,
    /* of one asker at once, so that its dead names leave threads for others */
    LOOKUPS_PER_ASKER = 8,
    STACK_SIZE = 256 * 1024,
    IDLE_SECONDS = 10,
};

struct job {
    struct job *next;
    struct broker_request *request;
    struct broker_reply *reply;
};

struct queue {
    struct job *first;
    struct job **last;
    unsigned count;
};

/* Outlives broker_free while a lookup hangs: the last of owner and threads frees it. */
struct broker {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t gone;
    struct broker_handlers handlers;
    void (*wake)(void *ctx);
    void *wake_ctx;
    struct queue lookups;
    struct queue others;
    struct queue done;
    /* asked and not yet answered */
    unsigned outstanding;
    unsigned threads;
    unsigned idle;
    unsigned looking;
    /* who they are for */
    uint64_t askers[BROKER_THREADS_MAX];
    bool stopping;
};

static void queue_start(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
    queue->count = 0;
}

static void queue_put(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
    queue->count++;
}

static struct job *queue_get(struct queue *queue)
{
    struct job *job = queue->first;
    if (job == NULL) {
        return NULL;
    }
    queue->first = job->next;
    if (queue->first == NULL) {
        queue->last = &queue->first;
    }
    queue->count--;
    return job;
}

/* Requests hold text to sign and options of keys: wiped, cheap and on the safe side. */
static void job_free(struct job *job)
{
    explicit_bzero(job->request->blob, job->request->blob_len);
    free(job->request);
    free(job->reply);
    free(job);
}

static void queue_clear(struct queue *queue)
{
    for (struct job *job = queue_get(queue); job != NULL; job = queue_get(queue)) {
        job_free(job);
    }
}

static void broker_destroy(struct broker *broker)
{
    queue_clear(&broker->lookups);
    queue_clear(&broker->others);
    queue_clear(&broker->done);
    pthread_cond_destroy(&broker->gone);
    pthread_cond_destroy(&broker->work);
    pthread_mutex_destroy(&broker->lock);
    free(broker);
}

static void resolve(const struct broker_request *request, struct broker_reply *reply)
{
    struct addrinfo hints = {
        .ai_family = request->family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | (request->passive ? AI_PASSIVE : 0),
    };
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)request->port);
    struct addrinfo *list = NULL;
    reply->error =
        getaddrinfo(request->host[0] == '\0' ? NULL : request->host, port, &hints, &list);
    if (reply->error != 0) {
        const char *text =
            reply->error == EAI_SYSTEM ? strerror(errno) : gai_strerror(reply->error);
        snprintf(reply->text, sizeof(reply->text), "%s", text);
        return;
    }
    for (struct addrinfo *a = list; a != NULL && reply->addrs_count < BROKER_ADDRS_MAX;
         a = a->ai_next) {
        if (a->ai_addrlen <= sizeof(reply->addrs[0])) {
            memcpy(&reply->addrs[reply->addrs_count++], a->ai_addr, a->ai_addrlen);
        }
    }
    freeaddrinfo(list);
    if (reply->addrs_count == 0) {
        reply->error = EAI_NONAME;
        snprintf(reply->text, sizeof(reply->text), "%s", gai_strerror(EAI_NONAME));
    }
}

static void handle(const struct broker *broker, const struct broker_request *request,
                   struct broker_reply *reply)
{
    const struct broker_handlers *handlers = &broker->handlers;
    void (*fn)(void *, const struct broker_request *, struct broker_reply *) = NULL;
    switch (request->kind) {
    case BROKER_RESOLVE:
        resolve(request, reply);
        return;
    case BROKER_SIGN_HOST:
        fn = handlers->sign_host;
        break;
    case BROKER_AUTHORIZE:
        fn = handlers->authorize;
        break;
    case BROKER_CHECK_HOST:
        fn = handlers->check_host;
        break;
    case BROKER_SIGN_USER:
        fn = handlers->sign_user;
        break;
    }
    if (fn == NULL) {
        reply->error = -ENOSYS;
        return;
    }
    fn(handlers->ctx, request, reply);
    assert(reply->blob_len <= BROKER_BLOB_MAX);
}

static struct job *queue_remove(struct queue *queue, struct job **at)
{
    struct job *job = *at;
    *at = job->next;
    if (*at == NULL) {
        queue->last = at;
    }
    queue->count--;
    return job;
}

static unsigned lookups_of(const struct broker *broker, uint64_t asker)
{
    unsigned count = 0;
    for (unsigned i = 0; i < broker->looking; i++) {
        count += broker->askers[i] == asker;
    }
    return count;
}

/* The first whose asker has not had its share. */
static struct job *next_lookup(struct broker *broker)
{
    if (broker->looking >= LOOKUPS_MAX) {
        return NULL;
    }
    for (struct job **at = &broker->lookups.first; *at != NULL; at = &(*at)->next) {
        if (lookups_of(broker, (*at)->request->asker) < LOOKUPS_PER_ASKER) {
            return queue_remove(&broker->lookups, at);
        }
    }
    return NULL;
}

static struct job *next_job(struct broker *broker)
{
    struct job *job = queue_get(&broker->others);
    return job != NULL ? job : next_lookup(broker);
}

static void lookup_begins(struct broker *broker, uint64_t asker)
{
    broker->askers[broker->looking++] = asker;
}

static void lookup_ends(struct broker *broker, uint64_t asker)
{
    unsigned i = 0;
    while (broker->askers[i] != asker) {
        i++;
    }
    broker->askers[i] = broker->askers[--broker->looking];
    /* one that waited for this asker's share may be next, and all threads may be asleep */
    if (broker->lookups.count > 0) {
        pthread_cond_signal(&broker->work);
    }
}

static void run_job(struct broker *broker, struct job *job)
{
    bool lookup = job->request->kind == BROKER_RESOLVE;
    if (lookup) {
        lookup_begins(broker, job->request->asker);
    }
    pthread_mutex_unlock(&broker->lock);
    handle(broker, job->request, job->reply);
    pthread_mutex_lock(&broker->lock);
    if (lookup) {
        lookup_ends(broker, job->request->asker);
    }
    queue_put(&broker->done, job);
    if (!broker->stopping) {
        broker->wake(broker->wake_ctx);
    }
}

/* False: nothing came for IDLE_SECONDS. */
static bool wait_for_work(struct broker *broker)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    broker->idle++;
    int error = pthread_cond_timedwait(&broker->work, &broker->lock, &until);
    broker->idle--;
    return error == 0;
}

static void *thread_main(void *ctx)
{
    struct broker *broker = ctx;
    pthread_mutex_lock(&broker->lock);
    for (bool more = true; more && !broker->stopping;) {
        struct job *job = next_job(broker);
        if (job != NULL) {
            run_job(broker, job);
        } else {
            more = wait_for_work(broker) || broker->others.count + broker->lookups.count > 0;
        }
    }
    broker->threads--;
    /* after broker_free has gone only lookups that hung are left: the last one turns off the light
     */
    bool last = broker->stopping && broker->threads == 0 && broker->wake == NULL;
    pthread_cond_broadcast(&broker->gone);
    pthread_mutex_unlock(&broker->lock);
    if (last) {
        broker_destroy(broker);
    }
    return NULL;
}

static int start_thread(struct broker *broker)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    if (pthread_attr_init(&attr) != 0) {
        return -EAGAIN;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    /* signals belong to the program's main thread; the new thread inherits the mask */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&thread, &attr, thread_main, broker);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        return -EAGAIN;
    }
    broker->threads++;
    return 0;
}

struct broker *broker_make(const struct broker_handlers *handlers, void (*wake)(void *ctx),
                           void *wake_ctx)
{
    struct broker *broker = calloc(1, sizeof(*broker));
    if (broker == NULL) {
        return NULL;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&broker->lock, NULL);
    pthread_cond_init(&broker->work, &attr);
    pthread_cond_init(&broker->gone, NULL);
    pthread_condattr_destroy(&attr);
    broker->handlers = *handlers;
    broker->wake = wake;
    broker->wake_ctx = wake_ctx;
    queue_start(&broker->lookups);
    queue_start(&broker->others);
    queue_start(&broker->done);
    return broker;
}

void broker_free(struct broker *broker)
{
    if (broker == NULL) {
        return;
    }
    pthread_mutex_lock(&broker->lock);
    broker->stopping = true;
    pthread_cond_broadcast(&broker->work);
    while (broker->threads > broker->looking) {
        pthread_cond_wait(&broker->gone, &broker->lock);
    }
    broker->wake = NULL;
    bool last = broker->threads == 0;
    pthread_mutex_unlock(&broker->lock);
    if (last) {
        broker_destroy(broker);
    }
}

static struct job *job_make(const struct broker_request *request)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return NULL;
    }
    /* the reply's place is made now, so that an answer never fails for want of memory */
    job->request = malloc(sizeof(*job->request));
    job->reply = calloc(1, sizeof(*job->reply));
    if (job->request == NULL || job->reply == NULL) {
        free(job->request);
        free(job->reply);
        free(job);
        return NULL;
    }
    memcpy(job->request, request, offsetof(struct broker_request, blob) + request->blob_len);
    job->reply->kind = request->kind;
    job->reply->id = request->id;
    return job;
}

int broker_ask(struct broker *broker, const struct broker_request *request)
{
    assert(request->blob_len <= BROKER_BLOB_MAX);
    pthread_mutex_lock(&broker->lock);
    int error = 0;
    struct job *job = NULL;
    bool lookup = request->kind == BROKER_RESOLVE;
    bool full = broker->outstanding >= BROKER_QUEUE_MAX ||
                (lookup && broker->lookups.count >= LOOKUPS_QUEUE_MAX);
    if (full || broker->stopping) {
        error = -EAGAIN;
        goto out;
    }
    job = job_make(request);
    if (job == NULL) {
        error = -EAGAIN;
        goto out;
    }
    if (broker->idle <= broker->others.count + broker->lookups.count &&
        broker->threads < BROKER_THREADS_MAX && (!lookup || broker->threads < LOOKUPS_MAX)) {
        error = start_thread(broker);
        if (error != 0 && broker->threads == 0) {
            job_free(job);
            goto out;
        }
        error = 0;
    }
    queue_put(lookup ? &broker->lookups : &broker->others, job);
    broker->outstanding++;
    pthread_cond_signal(&broker->work);
out:
    pthread_mutex_unlock(&broker->lock);
    return error;
}

void broker_cancel(struct broker *broker, uint64_t id)
{
    pthread_mutex_lock(&broker->lock);
    for (struct job **at = &broker->lookups.first; *at != NULL; at = &(*at)->next) {
        if ((*at)->request->id == id) {
            struct job *job = queue_remove(&broker->lookups, at);
            job->reply->error = EAI_AGAIN;
            queue_put(&broker->done, job);
            broker->wake(broker->wake_ctx);
            break;
        }
    }
    pthread_mutex_unlock(&broker->lock);
}

struct broker_reply *broker_answer(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    struct job *job = queue_get(&broker->done);
    if (job != NULL) {
        broker->outstanding--;
    }
    pthread_mutex_unlock(&broker->lock);
    if (job == NULL) {
        return NULL;
    }
    struct broker_reply *reply = job->reply;
    job->reply = NULL;
    job_free(job);
    return reply;
}
