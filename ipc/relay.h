/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attached processes and the relay (relay/) say to each other, and the name of the descriptor that a server holds in
 * place of its real socket.
 *
 * The relay listens on the abstract SOCK_STREAM socket "\0tlsgraft/<tree>/relay" (unix(7)). Each connection to it is one
 * request, sent as one message with its descriptors:
 *   CARRY    the real socket and one end of a socket pair. The other end, the server's, bears a name (below), and one byte
 *            was written to it, which the relay never takes off: a UNIX socket that is closed with something unread gives
 *            ECONNRESET to its peer, so a connection that ends without close_notify is an error to the server. Needs the
 *            key. No answer: both descriptors are closed where the relay refuses.
 *   TAIL     the real socket, then `size` bytes of ciphertext on this connection: sent, then the socket is closed. Needs
 *            the key.
 *   GET, SET a server's end, of whose real socket an option is asked or set. Whoever holds the descriptor may ask, as with
 *            any socket. One tg_relay_answer.
 *
 * The server's end is known by its name to whoever inherits or receives it, without having been told: the name holds both
 * addresses of the real connection, the socket's own cookie (SO_COOKIE: a number that the kernel gives once), and a keyed
 * hash over all of that. An untrusted process can neither make such a name nor bear one that it has seen (/proc/net/unix).
 *
 * No function here keeps state or allocates; all are async-signal-safe.
 */
#ifndef TG_IPC_RELAY_H
#define TG_IPC_RELAY_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TG_RELAY_MAGIC 0x796c6572u /* "rely" */
#define TG_RELAY_VALUE 512         /* the longest option: struct tcp_info has some 250 bytes */
#define TG_RELAY_TAIL_MAX 262144u  /* bytes of ciphertext that are taken for one connection */

/* What the relay tells the keeper, one packet each: a byte, and after TG_RELAY_CANNOT words for people. */
enum tg_relay_news { TG_RELAY_IDLE, TG_RELAY_BUSY, TG_RELAY_READY, TG_RELAY_CANNOT };
#define TG_RELAY_WORDS 160 /* of such a packet, at most */

enum tg_relay_kind { TG_RELAY_CARRY = 1, TG_RELAY_UNSENT_TAIL = 2, TG_RELAY_GET = 3, TG_RELAY_SET = 4 };

struct tg_relay_request {
	uint32_t magic;
	uint32_t layout;
	uint32_t kind;
	uint32_t size;                        /* TAIL: bytes that follow; GET: room for the value; SET: of `value` */
	unsigned char key[TG_RELAY_KEY_SIZE]; /* CARRY, TAIL: of the policy header */
	int32_t level;                        /* GET, SET */
	int32_t option;
	unsigned char value[TG_RELAY_VALUE]; /* SET */
};

struct tg_relay_answer {
	uint32_t magic;
	int32_t result; /* 0 or a negative errno */
	uint32_t size;
	unsigned char value[TG_RELAY_VALUE];
};

/* Length of a request of `kind` on the wire: what SET alone needs is left out of the others. */
size_t tg_relay_request_size(enum tg_relay_kind kind);

/*
 * True where `size` bytes at `request`, which came from anybody, are a request of this layout with `fd_count` descriptors
 * and, where it takes one, the right key.
 */
bool tg_relay_request_valid(const struct tg_relay_request *request, size_t size, int fd_count,
			    const unsigned char key[TG_RELAY_KEY_SIZE]);

/* The relay's own address; -EINVAL where `tree` is no tree's name. */
int tg_relay_address(const char *tree, struct sockaddr_un *ret, socklen_t *ret_size);

/* A server's end. */
struct tg_relay_end {
	struct sockaddr_storage local; /* of the real connection; AF_INET or AF_INET6 */
	struct sockaddr_storage peer;
	uint64_t cookie; /* of the server's end */
};

/* The same length for every end, so that others are told apart by it. */
#define TG_RELAY_NAME_SIZE 88

/* -EINVAL where the addresses are no IP addresses or `tree` no tree's name. */
int tg_relay_name(const char *tree, const struct tg_relay_end *end, const unsigned char key[TG_RELAY_KEY_SIZE],
		  struct sockaddr_un *ret, socklen_t *ret_size);

/*
 * True where `name` has the form of a server's end; `ret_tree` is the tree that it names. With `key` and `tree` it must be
 * of that tree and made with that key; without (NULL), its cookie still has to be compared with the socket's own.
 */
bool tg_relay_name_read(const struct sockaddr_un *name, socklen_t size, const char *tree,
			const unsigned char key[TG_RELAY_KEY_SIZE], struct tg_relay_end *ret,
			char ret_tree[TG_TREE_LENGTH + 1]);

/* Length of an address of that family as accept(2) returns it; 0 for others. */
socklen_t tg_relay_address_size(const struct sockaddr_storage *address);

#endif
