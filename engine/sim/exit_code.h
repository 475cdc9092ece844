#ifndef VIV_SIM_EXIT_CODE_H
#define VIV_SIM_EXIT_CODE_H

/* How vivarium-sim ends. */
enum viv_sim_exit {
    VIV_SIM_EXIT_FOUND_NOTHING = 0,
    VIV_SIM_EXIT_FOUND = 1, /* something that may never be */
    VIV_SIM_EXIT_USAGE = 2, /* the command line, or a file, makes no sense */
};

#endif /* VIV_SIM_EXIT_CODE_H */
