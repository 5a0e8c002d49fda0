/*
 * Base64 and hex, for key files, known_hosts and fingerprints.
 */
#ifndef CULVERT_CRYPTO_ENCODE_H
#define CULVERT_CRYPTO_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that encode_base64 writes for len input bytes, with padding and the NUL. */
#define ENCODE_BASE64_LEN(len) (((len) + 2) / 3 * 4 + 1)

/* NUL-terminated; ret_text holds ENCODE_BASE64_LEN(len) bytes. */
void encode_base64(const void *bytes, size_t len, bool padding, char *ret_text);

/*
 * Decodes text_len characters of padded base64; blanks and line ends between them are skipped.
 * False on any other character, on bad padding, or when more than size bytes would come.
 */
__attribute__((warn_unused_result)) bool encode_base64_decode(const char *text, size_t text_len,
                                                              void *ret_bytes, size_t size,
                                                              size_t *ret_len);

/* Lower case, NUL-terminated; ret_text holds 2 * len + 1 bytes. */
void encode_hex(const void *bytes, size_t len, char *ret_text);

#endif
