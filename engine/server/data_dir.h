#ifndef VIV_SERVER_DATA_DIR_H
#define VIV_SERVER_DATA_DIR_H

#include "base/status.h"
#include "datadir/datadir.h"
#include "server/config.h"

/* The directories of a server: <dataDir>/vivarium for images, <dataLogDir>/vivarium for the log, both 0700 and made
 * when missing. ZooKeeper's version-2 beside them is never touched. One process at a time holds them. */

struct viv_data_dir {
    char state_path[VIV_CONFIG_PATH_BYTES + 16], log_path[VIV_CONFIG_PATH_BYTES + 16];
    char ports_path[VIV_CONFIG_PATH_BYTES + 16];
    int lock_fd;
    bool is_volatile;    /* the storage keeps nothing */
    uint64_t restore_ns; /* what a promised restore took; 0: there was none */
};

/* What the command restore promised is done first (datadir/restore.h). Where only ZooKeeper's data is, it is imported
 * first (datadir/import.h): `pairing` is the storage it goes into.
 *
 * VIV_ERR_BUSY: another process holds it. VIV_ERR_FOREIGN: ZooKeeper ran here since the import. VIV_ERR_UNSUPPORTED:
 * there is something to import, but the storage keeps nothing. VIV_ERR_SYSTEM, and those of the import. Each was
 * logged with what to do. */
viv_status viv_data_dir_open(struct viv_data_dir *data, const struct viv_config *config,
                             const struct viv_datadir_pairing *pairing) VIV_MUST_USE;
void viv_data_dir_close(struct viv_data_dir *data);
/* Writes <dataDir>/ports, one "name=PORT\n" for each port that is open, at once whole; removed by close. */
viv_status viv_data_dir_write_ports(const struct viv_data_dir *data, struct viv_bytes lines) VIV_MUST_USE;

#endif /* VIV_SERVER_DATA_DIR_H */
