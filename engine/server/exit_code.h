#ifndef VIV_SERVER_EXIT_CODE_H
#define VIV_SERVER_EXIT_CODE_H

/* How the server's process ends; documented in --help. */
enum viv_exit {
    VIV_EXIT_OK = 0,     /* told to stop, and stopped */
    VIV_EXIT_SYSTEM = 1, /* the machine refused something that is neither configuration nor data */
    VIV_EXIT_CONFIG = 2, /* command line, configuration file, a port that is taken, voters that elect otherwise */
    VIV_EXIT_DATA = 3,   /* data damaged, foreign, newer, in use, or the disk failed */
};

#endif /* VIV_SERVER_EXIT_CODE_H */
