/*
 * Paths as users write them in options: `~`, percent tokens and ${VARIABLES}.
 */
#ifndef CULVERT_TOOLS_PATHS_H
#define CULVERT_TOOLS_PATHS_H

#include <stdbool.h>
#include <stddef.h>

enum { PATHS_MAX = 4096 };

/* What a percent token stands for. A table of these ends with the letter 0. */
struct paths_token {
    char letter;
    const char *text;
};

/* $HOME when it is an absolute path, otherwise the account's; NULL when there is neither. Static
 * storage: call it first before threads start. */
const char *paths_home(void);
/* The name of the account, $USER when the system has none, or NULL. Static storage, as above. */
const char *paths_account(void);

/*
 * Expands a leading `~/`, tokens (`%%` always) and ${NAME} from the environment.
 * False with one phrase in ret_why when something is unknown or too long.
 */
__attribute__((warn_unused_result)) bool paths_expand(const char *text,
                                                      const struct paths_token *tokens,
                                                      char *ret_path, size_t size, char *ret_why,
                                                      size_t why_len);

/* Makes the folder of path, and the ones above it that are missing, with mode 0700. 0 or a
 * negative errno. */
__attribute__((warn_unused_result)) int paths_make_folder_of(const char *path);

#endif
