#include "controlplane/store/records_sql.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/status.h"

namespace adit::store {
namespace {

using model::Allow;
using model::Node;
using model::Peer;
using model::Policy;
using model::Resource;

void BindAddress(Statement& statement, const IpAddress& address) {
  if (address.is_set()) {
    statement.BindBlob(address.bytes());
  } else {
    statement.BindNull();
  }
}

std::int64_t Nanoseconds(WallTime time) { return time.since_epoch().count(); }
WallTime TimeOf(std::int64_t nanoseconds) { return WallTime(Duration(nanoseconds)); }
std::int64_t Signed(std::uint64_t revision) { return static_cast<std::int64_t>(revision); }
std::uint64_t RevisionAt(const Statement& row, int column) {
  return static_cast<std::uint64_t>(row.Int(column));
}

absl::Status RunWithName(const Database& database, std::string_view sql, std::string_view name) {
  ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  return statement.Bind(name).Run();
}

absl::Status DeleteAll(const Database& database, std::string_view table,
                       const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    RETURN_IF_ERROR(
        RunWithName(database, fmt::format("DELETE FROM {} WHERE name = ?", table), name));
  }
  return absl::OkStatus();
}

absl::Status Write(const Database& database, const Node& node) {
  ASSIGN_OR_RETURN(Statement put, database.Prepare(R"sql(
INSERT INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET public_key = excluded.public_key, advertise = excluded.advertise,
  reported_advertise = excluded.reported_advertise, v4 = excluded.v4, v6 = excluded.v6,
  listen_port = excluded.listen_port, mtu = excluded.mtu, created_ns = excluded.created_ns,
  revision = excluded.revision)sql"));
  put.Bind(node.name).BindBlob(node.public_key.bytes());
  put.Bind(node.advertise).Bind(node.reported_advertise);
  BindAddress(put, node.addresses.v4);
  BindAddress(put, node.addresses.v6);
  put.Bind(std::int64_t{node.listen_port}).Bind(std::int64_t{node.mtu});
  return put.Bind(Nanoseconds(node.created)).Bind(Signed(node.revision)).Run();
}

absl::Status Write(const Database& database, const Peer& peer) {
  ASSIGN_OR_RETURN(Statement put, database.Prepare(R"sql(
INSERT INTO peers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET public_key = excluded.public_key,
  preshared_key = excluded.preshared_key, node = excluded.node, v4 = excluded.v4,
  v6 = excluded.v6, endpoint = excluded.endpoint, keepalive = excluded.keepalive,
  exported_revision = excluded.exported_revision, created_ns = excluded.created_ns,
  revision = excluded.revision)sql"));
  put.Bind(peer.name).BindBlob(peer.public_key.bytes());
  if (peer.preshared_key) {
    put.BindBlob(peer.preshared_key->bytes());
  } else {
    put.BindNull();
  }
  put.Bind(peer.node);
  BindAddress(put, peer.addresses.v4);
  BindAddress(put, peer.addresses.v6);
  if (peer.endpoint) {
    put.Bind(peer.endpoint->ToString());
  } else {
    put.BindNull();
  }
  put.Bind(std::int64_t{peer.keepalive}).Bind(Signed(peer.exported_revision));
  return put.Bind(Nanoseconds(peer.created)).Bind(Signed(peer.revision)).Run();
}

absl::Status Write(const Database& database, const Resource& resource) {
  ASSIGN_OR_RETURN(Statement put, database.Prepare(R"sql(
INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET node = excluded.node, allow_all = excluded.allow_all,
  nat = excluded.nat, destinations_revision = excluded.destinations_revision,
  created_ns = excluded.created_ns, revision = excluded.revision)sql"));
  put.Bind(resource.name).Bind(resource.node);
  put.Bind(std::int64_t{resource.allow_all}).Bind(std::int64_t{resource.nat});
  put.Bind(Signed(resource.destinations_revision)).Bind(Nanoseconds(resource.created));
  RETURN_IF_ERROR(put.Bind(Signed(resource.revision)).Run());

  RETURN_IF_ERROR(
      RunWithName(database, "DELETE FROM resource_cidrs WHERE resource = ?", resource.name));
  ASSIGN_OR_RETURN(Statement put_cidr,
                   database.Prepare("INSERT INTO resource_cidrs VALUES (?, ?, ?)"));
  for (std::size_t i = 0; i < resource.cidrs.size(); ++i) {
    put_cidr.Bind(resource.name).Bind(static_cast<std::int64_t>(i));
    RETURN_IF_ERROR(put_cidr.Bind(resource.cidrs[i].ToString()).Run());
  }
  RETURN_IF_ERROR(
      RunWithName(database, "DELETE FROM resource_allows WHERE resource = ?", resource.name));
  ASSIGN_OR_RETURN(Statement put_allow,
                   database.Prepare("INSERT INTO resource_allows VALUES (?, ?, ?, ?, ?)"));
  for (std::size_t i = 0; i < resource.allow.size(); ++i) {
    const Allow& allow = resource.allow[i];
    put_allow.Bind(resource.name).Bind(static_cast<std::int64_t>(i));
    put_allow.Bind(static_cast<std::int64_t>(allow.protocol));
    put_allow.Bind(std::int64_t{allow.first_port}).Bind(std::int64_t{allow.last_port});
    RETURN_IF_ERROR(put_allow.Run());
  }
  return absl::OkStatus();
}

absl::Status RunForEach(const Database& database, const std::string& sql, std::string_view policy,
                        const std::vector<std::string>& members) {
  ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  for (const std::string& member : members) {
    RETURN_IF_ERROR(statement.Bind(policy).Bind(member).Run());
  }
  return absl::OkStatus();
}

// Writes only what differs: a policy may have thousands of members and change by one.
absl::Status WriteMembers(const Database& database, std::string_view table, std::string_view policy,
                          const std::vector<std::string>& members) {
  std::vector<std::string> stored;
  {
    ASSIGN_OR_RETURN(Statement select,
                     database.Prepare(fmt::format(
                         "SELECT member FROM {} WHERE policy = ? ORDER BY member", table)));
    select.Bind(policy);
    while (true) {
      ASSIGN_OR_RETURN(const bool has_row, select.Step());
      if (!has_row) {
        break;
      }
      stored.push_back(select.Text(0));
    }
  }
  std::vector<std::string> gone;
  std::set_difference(stored.begin(), stored.end(), members.begin(), members.end(),
                      std::back_inserter(gone));
  std::vector<std::string> come;
  std::set_difference(members.begin(), members.end(), stored.begin(), stored.end(),
                      std::back_inserter(come));
  RETURN_IF_ERROR(RunForEach(database,
                             fmt::format("DELETE FROM {} WHERE policy = ? AND member = ?", table),
                             policy, gone));
  return RunForEach(database, fmt::format("INSERT INTO {} VALUES (?, ?)", table), policy, come);
}

absl::Status Write(const Database& database, const Policy& policy) {
  ASSIGN_OR_RETURN(Statement put, database.Prepare(R"sql(
INSERT INTO policies VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET disabled = excluded.disabled, expires_ns = excluded.expires_ns,
  created_ns = excluded.created_ns, revision = excluded.revision)sql"));
  put.Bind(policy.name).Bind(std::int64_t{policy.disabled});
  if (policy.expires) {
    put.Bind(Nanoseconds(*policy.expires));
  } else {
    put.BindNull();
  }
  RETURN_IF_ERROR(put.Bind(Nanoseconds(policy.created)).Bind(Signed(policy.revision)).Run());
  RETURN_IF_ERROR(WriteMembers(database, "policy_peers", policy.name, policy.peers));
  return WriteMembers(database, "policy_resources", policy.name, policy.resources);
}

template <typename Record>
absl::Status WriteAll(const Database& database, const std::vector<Record>& records) {
  for (const Record& record : records) {
    RETURN_IF_ERROR(Write(database, record));
  }
  return absl::OkStatus();
}

// Reads rows into records and remembers the first that is none.
class RowReader {
 public:
  explicit RowReader(const Database& database) : database_(database) {}

  template <typename Function>
  absl::Status ForEach(std::string_view sql, Function&& function) {
    ASSIGN_OR_RETURN(Statement select, database_.Prepare(sql));
    while (true) {
      ASSIGN_OR_RETURN(const bool has_row, select.Step());
      if (!has_row) {
        return absl::OkStatus();
      }
      is_good_ = true;
      function(select);
      if (!is_good_) {
        return DataLoss(
            fmt::format("store {}: the row of \"{}\" with {} = \"{}\" is not one that "
                        "adit-controlplane wrote: put a backup in its place",
                        database_.path(), sql, "first column", select.Text(0)));
      }
    }
  }

  void Require(bool is_good) { is_good_ = is_good_ && is_good; }

  PublicKey Key(const Statement& row, int column) {
    const auto key = PublicKey::FromBytes(AsBytes(row.Blob(column)));
    Require(key.has_value() && !key->is_zero());
    return key.value_or(PublicKey());
  }
  model::TunnelAddresses Addresses(const Statement& row, int column) {
    return {Address(row, column, IpFamily::kV4), Address(row, column + 1, IpFamily::kV6)};
  }
  template <typename Integer>
  Integer Int(const Statement& row, int column) {
    const std::int64_t value = row.Int(column);
    Require(std::in_range<Integer>(value));
    return static_cast<Integer>(value);
  }

 private:
  IpAddress Address(const Statement& row, int column, IpFamily family) {
    if (row.IsNull(column)) {
      return {};
    }
    const auto address = IpAddress::FromBytes(AsBytes(row.Blob(column)));
    Require(address && address->family() == family);
    return address.value_or(IpAddress());
  }

  const Database& database_;
  bool is_good_ = true;
};

absl::Status ReadPeers(RowReader& reader, std::vector<Peer>& peers) {
  return reader.ForEach("SELECT * FROM peers ORDER BY name", [&](const Statement& row) {
    Peer peer;
    peer.name = row.Text(0);
    peer.public_key = reader.Key(row, 1);
    if (!row.IsNull(2)) {
      std::string bytes = row.Blob(2);
      reader.Require(bytes.size() == kKeySize);
      if (bytes.size() == kKeySize) {
        peer.preshared_key.emplace(AsBytes(bytes).first<kKeySize>());
      }
      explicit_bzero(bytes.data(), bytes.size());
    }
    peer.node = row.Text(3);
    peer.addresses = reader.Addresses(row, 4);
    if (!row.IsNull(6)) {
      peer.endpoint = Endpoint::Parse(row.Text(6));
      reader.Require(peer.endpoint.has_value());
    }
    peer.keepalive = reader.Int<std::uint16_t>(row, 7);
    peer.exported_revision = RevisionAt(row, 8);
    peer.created = TimeOf(row.Int(9));
    peer.revision = RevisionAt(row, 10);
    peers.push_back(std::move(peer));
  });
}

absl::Status ReadResources(RowReader& reader, std::vector<Resource>& resources) {
  std::map<std::string, std::vector<IpPrefix>> cidrs;
  RETURN_IF_ERROR(
      reader.ForEach("SELECT resource, cidr FROM resource_cidrs ORDER BY resource, position",
                     [&](const Statement& row) {
                       const auto prefix = IpPrefix::Parse(row.Text(1));
                       reader.Require(prefix.has_value());
                       cidrs[row.Text(0)].push_back(prefix.value_or(IpPrefix()));
                     }));
  std::map<std::string, std::vector<Allow>> allows;
  RETURN_IF_ERROR(
      reader.ForEach("SELECT resource, protocol, first_port, last_port FROM resource_allows "
                     "ORDER BY resource, position",
                     [&](const Statement& row) {
                       const std::int64_t protocol = row.Int(1);
                       reader.Require(protocol >= 1 && protocol <= 3);
                       allows[row.Text(0)].push_back({static_cast<Allow::Protocol>(protocol),
                                                      reader.Int<std::uint16_t>(row, 2),
                                                      reader.Int<std::uint16_t>(row, 3)});
                     }));
  return reader.ForEach("SELECT * FROM resources ORDER BY name", [&](const Statement& row) {
    Resource resource;
    resource.name = row.Text(0);
    resource.node = row.Text(1);
    resource.cidrs = std::move(cidrs[resource.name]);
    resource.allow_all = row.Int(2) != 0;
    resource.allow = std::move(allows[resource.name]);
    resource.nat = row.Int(3) != 0;
    resource.destinations_revision = RevisionAt(row, 4);
    resource.created = TimeOf(row.Int(5));
    resource.revision = RevisionAt(row, 6);
    resources.push_back(std::move(resource));
  });
}

absl::Status ReadPolicies(RowReader& reader, std::vector<Policy>& policies) {
  std::map<std::string, std::vector<std::string>> peers;
  RETURN_IF_ERROR(
      reader.ForEach("SELECT policy, member FROM policy_peers ORDER BY policy, member",
                     [&](const Statement& row) { peers[row.Text(0)].push_back(row.Text(1)); }));
  std::map<std::string, std::vector<std::string>> resources;
  RETURN_IF_ERROR(
      reader.ForEach("SELECT policy, member FROM policy_resources ORDER BY policy, member",
                     [&](const Statement& row) { resources[row.Text(0)].push_back(row.Text(1)); }));
  return reader.ForEach("SELECT * FROM policies ORDER BY name", [&](const Statement& row) {
    Policy policy;
    policy.name = row.Text(0);
    policy.peers = std::move(peers[policy.name]);
    policy.resources = std::move(resources[policy.name]);
    policy.disabled = row.Int(1) != 0;
    if (!row.IsNull(2)) {
      policy.expires = TimeOf(row.Int(2));
    }
    policy.created = TimeOf(row.Int(3));
    policy.revision = RevisionAt(row, 4);
    policies.push_back(std::move(policy));
  });
}

}  // namespace

absl::Status WriteChange(const Database& database, const model::Change& change) {
  RETURN_IF_ERROR(DeleteAll(database, "policies", change.policies.deletes));
  RETURN_IF_ERROR(DeleteAll(database, "resources", change.resources.deletes));
  RETURN_IF_ERROR(DeleteAll(database, "peers", change.peers.deletes));
  RETURN_IF_ERROR(DeleteAll(database, "nodes", change.nodes.deletes));
  RETURN_IF_ERROR(WriteAll(database, change.nodes.upserts));
  RETURN_IF_ERROR(WriteAll(database, change.peers.upserts));
  RETURN_IF_ERROR(WriteAll(database, change.resources.upserts));
  return WriteAll(database, change.policies.upserts);
}

absl::StatusOr<model::StoredState> ReadState(const Database& database) {
  model::StoredState state;
  RowReader reader(database);
  std::size_t meta_rows = 0;
  RETURN_IF_ERROR(reader.ForEach("SELECT epoch, revision FROM meta", [&](const Statement& row) {
    state.epoch = row.Blob(0);
    state.revision = RevisionAt(row, 1);
    ++meta_rows;
  }));
  if (meta_rows != 1) {
    return DataLoss(
        fmt::format("store {} has no revision: put a backup in its place", database.path()));
  }
  RETURN_IF_ERROR(reader.ForEach("SELECT * FROM nodes ORDER BY name", [&](const Statement& row) {
    Node node;
    node.name = row.Text(0);
    node.public_key = reader.Key(row, 1);
    node.advertise = row.Text(2);
    node.reported_advertise = row.Text(3);
    node.addresses = reader.Addresses(row, 4);
    node.listen_port = reader.Int<std::uint16_t>(row, 6);
    node.mtu = reader.Int<std::uint32_t>(row, 7);
    node.created = TimeOf(row.Int(8));
    node.revision = RevisionAt(row, 9);
    state.nodes.push_back(std::move(node));
  }));
  RETURN_IF_ERROR(ReadPeers(reader, state.peers));
  RETURN_IF_ERROR(ReadResources(reader, state.resources));
  RETURN_IF_ERROR(ReadPolicies(reader, state.policies));
  return state;
}

}  // namespace adit::store
