/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the program itself that are called as OpenSSL's are: a server with an OpenSSL linked in statically. */
#ifndef TG_TESTS_DECOYS_H
#define TG_TESTS_DECOYS_H

extern int decoy_calls;
extern const char *decoy_last; /* NULL: none was called */

#endif
