#include "apps/rpc/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/server_builder.h>

#include <set>

#include "grpc/reflection/v1/reflection.grpc.pb.h"

namespace cairn::rpc {
namespace {

namespace pb = ::grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

class ReflectionService final : public pb::ServerReflection::Service {
 public:
  explicit ReflectionService(ServiceNames names) : names_(std::move(names)) {}

  grpc::Status ServerReflectionInfo(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::ServerReflectionResponse, pb::ServerReflectionRequest>* stream)
      override {
    std::set<const FileDescriptor*> sent;
    pb::ServerReflectionRequest request;
    while (stream->Read(&request)) {
      pb::ServerReflectionResponse response;
      response.set_valid_host(request.host());
      *response.mutable_original_request() = request;
      Answer(request, sent, response);
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  void Answer(const pb::ServerReflectionRequest& request, std::set<const FileDescriptor*>& sent,
              pb::ServerReflectionResponse& response) const {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    switch (request.message_request_case()) {
      case pb::ServerReflectionRequest::kListServices:
        for (const std::string& name : *names_) {
          response.mutable_list_services_response()->add_service()->set_name(name);
        }
        return;
      case pb::ServerReflectionRequest::kFileByFilename:
        return AnswerFile(pool.FindFileByName(request.file_by_filename()), sent, response);
      case pb::ServerReflectionRequest::kFileContainingSymbol:
        return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), sent,
                          response);
      default:  // extensions are a proto2 matter: there are none here
        return AnswerFile(nullptr, sent, response);
    }
  }

  // The file and everything it imports that this stream has not had yet.
  static void AnswerFile(const FileDescriptor* file, std::set<const FileDescriptor*>& sent,
                         pb::ServerReflectionResponse& response) {
    if (file == nullptr) {
      response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
      response.mutable_error_response()->set_error_message("not found");
      return;
    }
    auto* answer = response.mutable_file_descriptor_response();
    std::vector<const FileDescriptor*> open = {file};
    bool first = true;
    while (!open.empty()) {
      const FileDescriptor* next = open.back();
      open.pop_back();
      bool fresh = sent.insert(next).second;
      if (!fresh && !first) continue;
      first = false;
      google::protobuf::FileDescriptorProto proto;
      next->CopyTo(&proto);
      answer->add_file_descriptor_proto(proto.SerializeAsString());
      for (int i = 0; i < next->dependency_count(); ++i) open.push_back(next->dependency(i));
    }
  }

  ServiceNames names_;
};

class ReflectionPlugin final : public grpc::ServerBuilderPlugin {
 public:
  explicit ReflectionPlugin(ServiceNames names) : names_(std::move(names)) {}
  std::string name() override { return "cairn_reflection_v1"; }
  void InitServer(grpc::ServerInitializer* server) override {
    server->RegisterService(std::make_shared<ReflectionService>(names_));
  }
  void Finish(grpc::ServerInitializer* server) override { *names_ = *server->GetServiceList(); }
  void ChangeArguments(const std::string&, void*) override {}
  bool has_sync_methods() const override { return true; }

 private:
  ServiceNames names_;
};

class Option final : public grpc::ServerBuilderOption {
 public:
  explicit Option(ServiceNames names) : names_(std::move(names)) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<ReflectionPlugin>(names_));
  }

 private:
  ServiceNames names_;
};

}  // namespace

std::unique_ptr<grpc::ServerBuilderOption> ReflectionOption(ServiceNames names) {
  return std::make_unique<Option>(std::move(names));
}

}  // namespace cairn::rpc
