/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names derived from the name of a tree, for its memfds and its socket. No function keeps state; all are thread-safe.
 */
#ifndef TG_IPC_TREE_H
#define TG_IPC_TREE_H

#include <stdbool.h>
#include <stddef.h>

#define TG_TREE_NAME_SIZE 64 /* room for the longest prefix, the tree and a NUL */

/* True for TG_TREE_LENGTH lower-case hexadecimal digits and nothing else. NULL is allowed. */
bool tg_tree_valid(const char *tree);

/* Writes `prefix` and `tree` to `ret`. Returns the length without the NUL, or -EINVAL if `tree` is not valid. */
int tg_tree_name(const char *prefix, const char *tree, char ret[static TG_TREE_NAME_SIZE]);

/*
 * Creates a memfd of `size` bytes named `prefix` and `tree`. It is close-on-exec, sealable, and not executable if the
 * kernel supports that (MFD_NOEXEC_SEAL in memfd_create(2), since Linux 6.3). Returns the file descriptor, which the caller
 * closes, or a negative errno.
 */
int tg_tree_memfd(const char *prefix, const char *tree, size_t size);

#endif
