/*
 * The broker: lookups, handlers, bounds, and lookups that hang. getaddrinfo is ours here: names
 * that begin with "hang" don't come back until the gate is opened.
 */
#include "engine/broker.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int hanging;
static atomic_int wakes;

static void open_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = true;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static void hang(void)
{
    pthread_mutex_lock(&gate_lock);
    hanging++;
    pthread_cond_broadcast(&gate_moved);
    while (!gate_open) {
        pthread_cond_wait(&gate_moved, &gate_lock);
    }
    pthread_mutex_unlock(&gate_lock);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret_list)
{
    if (node != NULL && strncmp(node, "hang", 4) == 0) {
        hang();
        return EAI_AGAIN;
    }
    if (node != NULL && strcmp(node, "none") == 0) {
        return EAI_NONAME;
    }
    uint16_t port = (uint16_t)strtoul(service, NULL, 10);
    struct addrinfo **last = ret_list;
    int count = node != NULL && strcmp(node, "many") == 0 ? 20 : 1;
    for (int i = 0; i < count; i++) {
        struct addrinfo *info = calloc(1, sizeof(*info));
        struct sockaddr_in *addr = calloc(1, sizeof(*addr));
        addr->sin_family = AF_INET;
        addr->sin_port = htons(port);
        bool everywhere = node == NULL && (hints->ai_flags & AI_PASSIVE) != 0;
        addr->sin_addr.s_addr = htonl(everywhere ? INADDR_ANY : INADDR_LOOPBACK + (uint32_t)i);
        info->ai_addr = (struct sockaddr *)addr;
        info->ai_addrlen = sizeof(*addr);
        *last = info;
        last = &info->ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_addr);
        free(list);
        list = next;
    }
}

static void wake(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&wakes, 1);
}

static void nap(void)
{
    poll(NULL, 0, 2);
}

static struct broker_reply *wait_answer(struct broker *broker)
{
    for (int i = 0; i < 5000; i++) {
        struct broker_reply *reply = broker_answer(broker);
        if (reply != NULL) {
            return reply;
        }
        nap();
    }
    return NULL;
}

static int ask_name(struct broker *broker, uint64_t id, const char *host, bool passive)
{
    static struct broker_request request;
    memset(&request, 0, sizeof(request));
    request.kind = BROKER_RESOLVE;
    request.id = id;
    request.port = 80;
    request.passive = passive;
    strcpy(request.host, host);
    return broker_ask(broker, &request);
}

static void sign(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    cr_assert_str_eq(ctx, "context");
    for (uint32_t i = 0; i < request->blob_len; i++) {
        reply->blob[i] = (uint8_t)(request->blob[i] + 1);
    }
    reply->blob_len = request->blob_len;
    reply->allowed = true;
}

static void sign_slowly(void *ctx, const struct broker_request *request, struct broker_reply *reply)
{
    poll(NULL, 0, 100);
    sign(ctx, request, reply);
}

static char context[] = "context";

static struct broker *make(void)
{
    struct broker_handlers handlers = {.sign_host = sign, .sign_user = sign_slowly, .ctx = context};
    struct broker *broker = broker_make(&handlers, wake, NULL);
    cr_assert_not_null(broker);
    return broker;
}

Test(broker, resolves_with_port)
{
    struct broker *broker = make();
    cr_assert_eq(ask_name(broker, 77, "some", false), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 77);
    cr_assert_eq(reply->error, 0);
    cr_assert_eq(reply->addrs_count, 1);
    struct sockaddr_in addr;
    memcpy(&addr, &reply->addrs[0], sizeof(addr));
    cr_assert_eq(ntohs(addr.sin_port), 80);
    cr_assert_eq(ntohl(addr.sin_addr.s_addr), INADDR_LOOPBACK);
    cr_assert_geq(atomic_load(&wakes), 1);
    free(reply);
    cr_assert_null(broker_answer(broker));
    broker_free(broker);
}

Test(broker, passive_without_a_name_is_the_wildcard)
{
    struct broker *broker = make();
    cr_assert_eq(ask_name(broker, 1, "", true), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    struct sockaddr_in addr;
    memcpy(&addr, &reply->addrs[0], sizeof(addr));
    cr_assert_eq(addr.sin_addr.s_addr, htonl(INADDR_ANY));
    free(reply);
    broker_free(broker);
}

Test(broker, tells_a_failed_lookup_and_cuts_a_long_list)
{
    struct broker *broker = make();
    cr_assert_eq(ask_name(broker, 1, "none", false), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->error, EAI_NONAME);
    cr_assert_str_eq(reply->text, gai_strerror(EAI_NONAME));
    free(reply);
    cr_assert_eq(ask_name(broker, 2, "many", false), 0);
    reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->addrs_count, BROKER_ADDRS_MAX);
    free(reply);
    broker_free(broker);
}

Test(broker, handlers_get_the_request_and_a_missing_one_is_refused)
{
    struct broker *broker = make();
    static struct broker_request request;
    request.kind = BROKER_SIGN_HOST;
    request.id = 5;
    request.blob_len = BROKER_BLOB_MAX;
    memset(request.blob, 0x41, sizeof(request.blob));
    cr_assert_eq(broker_ask(broker, &request), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->blob_len, BROKER_BLOB_MAX);
    cr_assert_eq(reply->blob[BROKER_BLOB_MAX - 1], 0x42);
    cr_assert(reply->allowed);
    free(reply);
    request.kind = BROKER_AUTHORIZE;
    cr_assert_eq(broker_ask(broker, &request), 0);
    reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->error, -ENOSYS);
    cr_assert_not(reply->allowed);
    free(reply);
    broker_free(broker);
}

Test(broker, hanging_lookups_delay_no_signature_and_not_the_end)
{
    struct broker *broker = make();
    for (uint64_t i = 0; i < 100; i++) {
        cr_assert_eq(ask_name(broker, i, "hang", false), 0);
    }
    static struct broker_request request;
    request.kind = BROKER_SIGN_HOST;
    request.id = 1000;
    cr_assert_eq(broker_ask(broker, &request), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 1000);
    free(reply);
    pthread_mutex_lock(&gate_lock);
    cr_assert_lt(hanging, BROKER_THREADS_MAX, "lookups must leave threads to others");
    pthread_mutex_unlock(&gate_lock);
    int before = atomic_load(&wakes);
    broker_free(broker);
    open_gate();
    for (int i = 0; i < 20; i++) {
        nap();
    }
    cr_assert_eq(atomic_load(&wakes), before, "nobody is woken after the end");
}

Test(broker, one_slow_lookup_delays_no_other)
{
    struct broker *broker = make();
    cr_assert_eq(ask_name(broker, 1, "hang", false), 0);
    cr_assert_eq(ask_name(broker, 2, "some", false), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 2);
    free(reply);
    open_gate();
    reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 1);
    cr_assert_eq(reply->error, EAI_AGAIN);
    free(reply);
    broker_free(broker);
}

/* Asks for names that hang until one is refused; how many were taken. */
static int fill_with_lookups(struct broker *broker)
{
    int taken = 0;
    while (taken < BROKER_QUEUE_MAX && ask_name(broker, (uint64_t)taken, "hang", false) == 0) {
        taken++;
    }
    return taken;
}

Test(broker, lookups_have_a_bound_of_their_own)
{
    struct broker *broker = make();
    int taken = fill_with_lookups(broker);
    cr_assert_lt(taken, BROKER_QUEUE_MAX, "places are left for signatures");
    static struct broker_request request;
    request.kind = BROKER_SIGN_HOST;
    request.id = 5000;
    cr_assert_eq(broker_ask(broker, &request), 0);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 5000);
    free(reply);
    open_gate();
    for (int left = taken; left > 0; left--) {
        reply = wait_answer(broker);
        cr_assert_not_null(reply);
        free(reply);
    }
    cr_assert_null(broker_answer(broker));
    cr_assert_eq(ask_name(broker, 9999, "some", false), 0);
    reply = wait_answer(broker);
    cr_assert_not_null(reply);
    free(reply);
    broker_free(broker);
}

Test(broker, the_dead_names_of_one_asker_delay_no_other)
{
    struct broker *broker = make();
    fill_with_lookups(broker);
    static struct broker_request request;
    request.kind = BROKER_RESOLVE;
    request.id = 6000;
    request.asker = 7;
    strcpy(request.host, "some");
    /* the first asker fills the queue for lookups: one place is made */
    broker_cancel(broker, 400);
    struct broker_reply *reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 400);
    cr_assert_neq(reply->error, 0, "a cancelled lookup is answered, not forgotten");
    free(reply);
    cr_assert_eq(broker_ask(broker, &request), 0);
    reply = wait_answer(broker);
    cr_assert_not_null(reply);
    cr_assert_eq(reply->id, 6000);
    free(reply);
    broker_free(broker);
    open_gate();
}

Test(broker, the_end_waits_for_a_running_handler)
{
    struct broker *broker = make();
    static struct broker_request request;
    request.kind = BROKER_SIGN_USER;
    cr_assert_eq(broker_ask(broker, &request), 0);
    poll(NULL, 0, 20);
    broker_free(broker);
    broker_free(NULL);
}
