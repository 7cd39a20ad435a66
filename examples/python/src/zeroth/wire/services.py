"""Made by generate.py from proto/: the methods of each service, with the types of what they take and give."""

from ..method import Method
from . import common_pb2, dataset_service_pb2, journal_service_pb2, model_service_pb2, objective_service_pb2, oracle_service_pb2, run_service_pb2, server_service_pb2, strategy_pb2, study_service_pb2, training_service_pb2


class DatasetService:
    CreateDataset = Method("/zeroth.v1.DatasetService/CreateDataset", dataset_service_pb2.CreateDatasetRequest, dataset_service_pb2.CreateDatasetResponse)
    GetDataset = Method("/zeroth.v1.DatasetService/GetDataset", dataset_service_pb2.GetDatasetRequest, dataset_service_pb2.GetDatasetResponse)
    ListDatasets = Method("/zeroth.v1.DatasetService/ListDatasets", dataset_service_pb2.ListDatasetsRequest, dataset_service_pb2.ListDatasetsResponse)
    DeleteDataset = Method("/zeroth.v1.DatasetService/DeleteDataset", dataset_service_pb2.DeleteDatasetRequest, dataset_service_pb2.DeleteDatasetResponse)


class JournalService:
    ListEntries = Method("/zeroth.v1.JournalService/ListEntries", journal_service_pb2.ListEntriesRequest, journal_service_pb2.ListEntriesResponse)
    WatchEntries = Method("/zeroth.v1.JournalService/WatchEntries", journal_service_pb2.WatchEntriesRequest, journal_service_pb2.WatchEntriesResponse)
    VerifyRun = Method("/zeroth.v1.JournalService/VerifyRun", journal_service_pb2.VerifyRunRequest, journal_service_pb2.VerifyRunResponse)


class ModelService:
    ListModels = Method("/zeroth.v1.ModelService/ListModels", model_service_pb2.ListModelsRequest, model_service_pb2.ListModelsResponse)
    GetModel = Method("/zeroth.v1.ModelService/GetModel", model_service_pb2.GetModelRequest, model_service_pb2.GetModelResponse)
    LoadModel = Method("/zeroth.v1.ModelService/LoadModel", model_service_pb2.LoadModelRequest, model_service_pb2.LoadModelResponse)
    UnloadModel = Method("/zeroth.v1.ModelService/UnloadModel", model_service_pb2.UnloadModelRequest, model_service_pb2.UnloadModelResponse)


class ObjectiveService:
    ServeObjective = Method("/zeroth.v1.ObjectiveService/ServeObjective", objective_service_pb2.ServeObjectiveRequest, objective_service_pb2.ServeObjectiveResponse)


class OracleService:
    Perturb = Method("/zeroth.v1.OracleService/Perturb", oracle_service_pb2.PerturbRequest, oracle_service_pb2.PerturbResponse)
    Evaluate = Method("/zeroth.v1.OracleService/Evaluate", oracle_service_pb2.EvaluateRequest, oracle_service_pb2.EvaluateResponse)
    Update = Method("/zeroth.v1.OracleService/Update", oracle_service_pb2.UpdateRequest, oracle_service_pb2.UpdateResponse)
    Step = Method("/zeroth.v1.OracleService/Step", oracle_service_pb2.StepRequest, oracle_service_pb2.StepResponse)
    Drive = Method("/zeroth.v1.OracleService/Drive", oracle_service_pb2.DriveRequest, oracle_service_pb2.DriveResponse)
    EvaluateOutputs = Method("/zeroth.v1.OracleService/EvaluateOutputs", oracle_service_pb2.EvaluateOutputsRequest, oracle_service_pb2.EvaluateOutputsResponse)


class RunService:
    CreateRun = Method("/zeroth.v1.RunService/CreateRun", run_service_pb2.CreateRunRequest, run_service_pb2.CreateRunResponse)
    GetRun = Method("/zeroth.v1.RunService/GetRun", run_service_pb2.GetRunRequest, run_service_pb2.GetRunResponse)
    ListRuns = Method("/zeroth.v1.RunService/ListRuns", run_service_pb2.ListRunsRequest, run_service_pb2.ListRunsResponse)
    DeleteRun = Method("/zeroth.v1.RunService/DeleteRun", run_service_pb2.DeleteRunRequest, run_service_pb2.DeleteRunResponse)
    ForkRun = Method("/zeroth.v1.RunService/ForkRun", run_service_pb2.ForkRunRequest, run_service_pb2.ForkRunResponse)
    RollbackRun = Method("/zeroth.v1.RunService/RollbackRun", run_service_pb2.RollbackRunRequest, run_service_pb2.RollbackRunResponse)
    CreateSnapshot = Method("/zeroth.v1.RunService/CreateSnapshot", run_service_pb2.CreateSnapshotRequest, run_service_pb2.CreateSnapshotResponse)
    DeleteSnapshot = Method("/zeroth.v1.RunService/DeleteSnapshot", run_service_pb2.DeleteSnapshotRequest, run_service_pb2.DeleteSnapshotResponse)
    ReadWeights = Method("/zeroth.v1.RunService/ReadWeights", run_service_pb2.ReadWeightsRequest, run_service_pb2.ReadWeightsResponse)
    ExportRun = Method("/zeroth.v1.RunService/ExportRun", run_service_pb2.ExportRunRequest, run_service_pb2.ExportRunResponse)


class StudyService:
    CreateStudy = Method("/zeroth.v1.StudyService/CreateStudy", study_service_pb2.CreateStudyRequest, study_service_pb2.CreateStudyResponse)
    GetStudy = Method("/zeroth.v1.StudyService/GetStudy", study_service_pb2.GetStudyRequest, study_service_pb2.GetStudyResponse)
    ListStudies = Method("/zeroth.v1.StudyService/ListStudies", study_service_pb2.ListStudiesRequest, study_service_pb2.ListStudiesResponse)
    DeleteStudy = Method("/zeroth.v1.StudyService/DeleteStudy", study_service_pb2.DeleteStudyRequest, study_service_pb2.DeleteStudyResponse)
    Ask = Method("/zeroth.v1.StudyService/Ask", study_service_pb2.AskRequest, study_service_pb2.AskResponse)
    Tell = Method("/zeroth.v1.StudyService/Tell", study_service_pb2.TellRequest, study_service_pb2.TellResponse)
    GetBest = Method("/zeroth.v1.StudyService/GetBest", study_service_pb2.GetBestRequest, study_service_pb2.GetBestResponse)
    ListTrials = Method("/zeroth.v1.StudyService/ListTrials", study_service_pb2.ListTrialsRequest, study_service_pb2.ListTrialsResponse)
    ListUpdates = Method("/zeroth.v1.StudyService/ListUpdates", study_service_pb2.ListUpdatesRequest, study_service_pb2.ListUpdatesResponse)
    ExportStudy = Method("/zeroth.v1.StudyService/ExportStudy", study_service_pb2.ExportStudyRequest, study_service_pb2.ExportStudyResponse)
    ImportStudy = Method("/zeroth.v1.StudyService/ImportStudy", study_service_pb2.ImportStudyRequest, study_service_pb2.ImportStudyResponse)


class ServerService:
    GetServerInfo = Method("/zeroth.v1.ServerService/GetServerInfo", server_service_pb2.GetServerInfoRequest, server_service_pb2.GetServerInfoResponse)
    ReloadObjectives = Method("/zeroth.v1.ServerService/ReloadObjectives", server_service_pb2.ReloadObjectivesRequest, server_service_pb2.ReloadObjectivesResponse)


class TrainingService:
    StartTraining = Method("/zeroth.v1.TrainingService/StartTraining", training_service_pb2.StartTrainingRequest, training_service_pb2.StartTrainingResponse)
    GetTraining = Method("/zeroth.v1.TrainingService/GetTraining", training_service_pb2.GetTrainingRequest, training_service_pb2.GetTrainingResponse)
    ListTrainings = Method("/zeroth.v1.TrainingService/ListTrainings", training_service_pb2.ListTrainingsRequest, training_service_pb2.ListTrainingsResponse)
    WatchTraining = Method("/zeroth.v1.TrainingService/WatchTraining", training_service_pb2.WatchTrainingRequest, training_service_pb2.WatchTrainingResponse)
    PauseTraining = Method("/zeroth.v1.TrainingService/PauseTraining", training_service_pb2.PauseTrainingRequest, training_service_pb2.PauseTrainingResponse)
    ResumeTraining = Method("/zeroth.v1.TrainingService/ResumeTraining", training_service_pb2.ResumeTrainingRequest, training_service_pb2.ResumeTrainingResponse)
    StopTraining = Method("/zeroth.v1.TrainingService/StopTraining", training_service_pb2.StopTrainingRequest, training_service_pb2.StopTrainingResponse)
    DeleteTraining = Method("/zeroth.v1.TrainingService/DeleteTraining", training_service_pb2.DeleteTrainingRequest, training_service_pb2.DeleteTrainingResponse)
