#include "situations.h"

const struct single singles_epoll[] = {
    {0},
};
