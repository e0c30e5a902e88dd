/*
 * What anybody may send to an abstract socket, ended without waiting: the last close(2) of a socket with SO_LINGER, say,
 * takes as long as whoever passed it likes, and the process that closes it does nothing else meanwhile.
 */
#ifndef TG_PAGE_STRANGER_H
#define TG_PAGE_STRANGER_H

/* Closes a descriptor that was passed. */
void tg_stranger_close(int fd);

/* Closes the connection, of AF_UNIX, on which it came, and all that waits there unread. */
void tg_stranger_hang_up(int connection);

#endif
