/*
 * The seeded source repeats itself exactly; the system's never does.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/entropy.h"
#include "crypto/provider.h"
#include "tests/unit/vector.h"

static void start(void)
{
    cr_assert(provider_start());
}

TestSuite(entropy, .init = start);

/* Made with a ChaCha20 written for the purpose in Python: key = seed, little-endian; nonce 0;
 * blocks 0, 1 to 2, and 3. A change here makes every recorded seed mean another run. */
Test(entropy, seeded_bytes_are_these)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, 1);
    uint8_t bytes[100];
    entropy_fill(&entropy, bytes, 40);
    vector_expect(
        bytes, 40,
        "c5d30a7ce1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd29eb63d0a17a5b99");
    entropy_fill(&entropy, bytes, 100);
    vector_expect(bytes, 100,
                  "10f656e6d1fd55053e50c4875c9930a33f6d0263bd14dfd6ab8c70521c19338b2308b95cf8d0bb7d"
                  "202d2102780ea3528f1cb48560f76b20f382b942500fceac26c02c80147c34a4282b3dee6a1886ad"
                  "8f4364c1fca82134d318224ecc6c45edc86654e8");
    entropy_fill(&entropy, bytes, 0);
    entropy_fill(&entropy, bytes, 8);
    vector_expect(bytes, 8, "a3e2edc43e1057b2");
}

Test(entropy, same_seed_same_run)
{
    struct entropy_seeded a_state;
    struct entropy_seeded b_state;
    struct entropy_seeded c_state;
    struct entropy a = entropy_seeded(&a_state, UINT64_C(0x8000000000000001));
    struct entropy b = entropy_seeded(&b_state, UINT64_C(0x8000000000000001));
    struct entropy c = entropy_seeded(&c_state, 1);
    for (size_t len = 16; len < 200; len++) {
        uint8_t from_a[200];
        uint8_t from_b[200];
        uint8_t from_c[200];
        entropy_fill(&a, from_a, len);
        entropy_fill(&b, from_b, len);
        entropy_fill(&c, from_c, len);
        cr_assert_arr_eq(from_a, from_b, len);
        cr_assert_arr_neq(from_a, from_c, len);
    }
}

Test(entropy, seeded_bytes_never_come_twice)
{
    struct entropy_seeded state;
    struct entropy entropy = entropy_seeded(&state, 3);
    uint8_t seen[64][16];
    for (size_t i = 0; i < 64; i++) {
        entropy_fill(&entropy, seen[i], sizeof(seen[i]));
        for (size_t j = 0; j < i; j++) {
            cr_assert_arr_neq(seen[i], seen[j], sizeof(seen[i]));
        }
    }
}

Test(entropy, fills_what_was_asked_and_no_more)
{
    struct entropy_seeded state;
    struct entropy sources[2] = {entropy_system(), entropy_seeded(&state, 4)};
    for (size_t i = 0; i < 2; i++) {
        for (size_t len = 0; len <= 130; len++) {
            uint8_t bytes[140];
            memset(bytes, 0xa5, sizeof(bytes));
            entropy_fill(&sources[i], bytes + 4, len);
            for (size_t j = 0; j < 4; j++) {
                cr_assert_eq(bytes[j], 0xa5);
                cr_assert_eq(bytes[4 + len + j], 0xa5);
            }
        }
    }
}

Test(entropy, the_systems_differs_each_time)
{
    struct entropy entropy = entropy_system();
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    entropy_fill(&entropy, a, sizeof(a));
    entropy_fill(&entropy, b, sizeof(b));
    cr_assert_arr_neq(a, b, sizeof(a));
}

Test(entropy, the_provider_says_what_it_is)
{
    cr_assert_eq(strncmp(provider_describe(), "libsodium 1.", 12), 0);
    cr_assert(provider_start(), "a second start does no harm");
}
