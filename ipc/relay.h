/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol between attached processes and the relay (relay/), and the name of the socket that a server holds in place
 * of its real one.
 *
 * The relay listens on the abstract SOCK_STREAM socket "\0tlsgraft/<tree>/relay" (unix(7)). Each connection carries one
 * request, sent as one message together with its file descriptors:
 *
 *   CARRY     passes the real socket and one end of a socket pair. The other end, the server's end, bears a name (below).
 *             The attached process wrote one byte to it, which the relay never reads: a UNIX socket that is closed with
 *             unread data gives its peer ECONNRESET. So a connection that ends without close_notify is an error to the
 *             server. Needs the key. There is no answer; if the relay refuses, it closes both file descriptors.
 *   TAIL      passes the real socket, then `size` bytes of ciphertext on this connection. The relay sends them and closes
 *             the socket. Needs the key.
 *   GET, SET  pass a server's end, to read or set an option of its real socket. Every holder of that file descriptor may
 *             do so, as with any socket. The relay answers with one tg_relay_answer.
 *
 * A process that inherits or receives a server's end recognises it by its name. The name holds both addresses of the real
 * connection, the cookie of the socket (SO_COOKIE: the kernel never gives the same number twice), and a keyed
 * hash over all of that. So an untrusted process can neither make such a name, nor use one that it saw in /proc/net/unix
 * for a socket of its own.
 *
 * No function keeps state or allocates memory. All are async-signal-safe.
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
#define TG_RELAY_VALUE 512         /* bytes; the longest option, struct tcp_info, has about 250 */
#define TG_RELAY_TAIL_MAX 262144u  /* bytes of ciphertext that the relay accepts for one connection */

/* The relay reports to the keeper in packets of one of these bytes; after TG_RELAY_CANNOT a text for the log follows. */
enum tg_relay_news { TG_RELAY_IDLE, TG_RELAY_BUSY, TG_RELAY_READY, TG_RELAY_CANNOT };
#define TG_RELAY_WORDS 160 /* maximum length of that text, bytes */

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

/* Length of a request of `kind` on the wire. Only SET carries `value`. */
size_t tg_relay_request_size(enum tg_relay_kind kind);

/*
 * True if the `size` bytes at `request` are a valid request of this layout that came with `fd_count` file descriptors and,
 * for CARRY and TAIL, with the right key. The bytes may come from any process.
 */
bool tg_relay_request_valid(const struct tg_relay_request *request, size_t size, int fd_count,
			    const unsigned char key[TG_RELAY_KEY_SIZE]);

/* Writes the relay's address. Returns 0, or -EINVAL if `tree` is not a valid name of a tree. */
int tg_relay_address(const char *tree, struct sockaddr_un *ret, socklen_t *ret_size);

/* The content of the name of a server's end. */
struct tg_relay_end {
	struct sockaddr_storage local; /* of the real connection; AF_INET or AF_INET6 */
	struct sockaddr_storage peer;
	uint64_t cookie; /* of the server's end */
};

/* Every such name has this length, so that other names are ruled out by their length alone. */
#define TG_RELAY_NAME_SIZE 88

/* Returns 0, or -EINVAL if an address is not an IP address or `tree` is not a valid name of a tree. */
int tg_relay_name(const char *tree, const struct tg_relay_end *end, const unsigned char key[TG_RELAY_KEY_SIZE],
		  struct sockaddr_un *ret, socklen_t *ret_size);

/*
 * True if `name` has the form of a name of a server's end; `ret_tree` is then the tree in it. If `key` and `tree` are
 * given, the name must be of that tree and its hash made with that key. If they are NULL, the hash is not checked. The
 * caller must still compare the cookie with that of the socket.
 */
bool tg_relay_name_read(const struct sockaddr_un *name, socklen_t size, const char *tree,
			const unsigned char key[TG_RELAY_KEY_SIZE], struct tg_relay_end *ret,
			char ret_tree[TG_TREE_LENGTH + 1]);

/* Length of an IP address of this family as accept(2) returns it; 0 for other families. */
socklen_t tg_relay_address_size(const struct sockaddr_storage *address);

#endif
