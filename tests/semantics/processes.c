#include "situations.h"

const struct single singles_processes[] = {
    {0},
};
