// LMDB by itself, in a folder of its own, with its default, full durability: what stores built on it are held against.
#pragma once

#include <lmdb.h>

#include <cstring>
#include <functional>
#include <string>

#include "bench.h"

namespace cairn::bench {

class Lmdb {
 public:
  explicit Lmdb(const std::string& path) {
    Must(mdb_env_create(&env_) == 0 && mdb_env_set_mapsize(env_, size_t{16} << 30) == 0 &&
             mdb_env_open(env_, path.c_str(), MDB_NOTLS, 0600) == 0, "lmdb");
    MDB_txn* txn = nullptr;
    Must(mdb_txn_begin(env_, nullptr, 0, &txn) == 0 && mdb_dbi_open(txn, nullptr, 0, &dbi_) == 0 &&
             mdb_txn_commit(txn) == 0, "lmdb");
  }
  ~Lmdb() { mdb_env_close(env_); }
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;

  // One durable transaction.
  void Write(const std::function<void(MDB_txn*)>& changes) {
    MDB_txn* txn = nullptr;
    Must(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "lmdb begin");
    changes(txn);
    Must(mdb_txn_commit(txn) == 0, "lmdb commit");
  }
  void Put(MDB_txn* txn, base::ByteView key, base::ByteView value) {
    MDB_val k = Value(key), v = Value(value);
    Must(mdb_put(txn, dbi_, &k, &v, 0) == 0, "lmdb put");
  }
  // The copy is the caller's memory.
  void Get(MDB_txn* txn, base::ByteView key, base::MutableByteView out) {
    MDB_val k = Value(key), v{};
    Must(mdb_get(txn, dbi_, &k, &v) == 0 && v.mv_size == out.size(), "lmdb get");
    std::memcpy(out.data(), v.mv_data, v.mv_size);
  }
  // In a transaction of its own.
  void Get(base::ByteView key, base::MutableByteView out) {
    MDB_txn* txn = nullptr;
    Must(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn) == 0, "lmdb begin");
    Get(txn, key, out);
    mdb_txn_abort(txn);
  }

 private:
  static MDB_val Value(base::ByteView bytes) { return {bytes.size(), const_cast<uint8_t*>(bytes.data())}; }
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

}  // namespace cairn::bench
