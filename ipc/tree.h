/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names made of a tree's name: of its memfds and of its socket. No function here keeps state.
 */
#ifndef TG_IPC_TREE_H
#define TG_IPC_TREE_H

#include <stdbool.h>
#include <stddef.h>

#define TG_TREE_NAME_SIZE 64 /* room for the longest prefix, the tree and a NUL */

/* True for TG_TREE_LENGTH lower-case hexadecimal digits and nothing else. NULL is allowed. */
bool tg_tree_valid(const char *tree);

/* Writes `prefix` and `tree` to `ret`. Returns the length without the NUL, or -EINVAL where the tree's name is none. */
int tg_tree_name(const char *prefix, const char *tree, char ret[static TG_TREE_NAME_SIZE]);

/*
 * A memfd of `size` bytes named by `prefix` and `tree`: close-on-exec, sealable, not executable where the kernel knows how
 * (memfd_create(2), MFD_NOEXEC_SEAL since Linux 6.3). Returns the descriptor or a negative errno.
 */
int tg_tree_memfd(const char *prefix, const char *tree, size_t size);

#endif
