// The same app in AWS CDK: a balanced Fargate service that scales, and the pipeline that deploys it.
const cdk = require("aws-cdk-lib");
const { aws_codebuild: codebuild, aws_codecommit: codecommit, aws_codepipeline: pipeline, aws_codepipeline_actions: actions,
  aws_ec2: ec2, aws_ecr: ecr, aws_ecs: ecs, aws_ecs_patterns: patterns } = cdk;
const app = new cdk.App({ analyticsReporting: false });
const stack = new cdk.Stack(app, "Peer", { synthesizer: new cdk.LegacyStackSynthesizer() });
const repository = new ecr.Repository(stack, "Repository");
const vpc = new ec2.Vpc(stack, "Vpc", { maxAzs: 2 });
const cluster = new ecs.Cluster(stack, "Cluster", { vpc });
const service = new patterns.ApplicationLoadBalancedFargateService(stack, "Service", {
  cluster, desiredCount: 2, circuitBreaker: { rollback: true },
  taskImageOptions: { image: ecs.ContainerImage.fromEcrRepository(repository), containerPort: 8080 },
});
const scaling = service.service.autoScaleTaskCount({ maxCapacity: 4 });
scaling.scaleOnCpuUtilization("Cpu", { targetUtilizationPercent: 70 });
const source = new pipeline.Artifact();
const image = new pipeline.Artifact();
const code = new codecommit.Repository(stack, "Code", { repositoryName: "hello" });
const project = new codebuild.PipelineProject(stack, "Build", { environment: { privileged: true } });
repository.grantPullPush(project);
new pipeline.Pipeline(stack, "Pipeline", { stages: [
  { stageName: "Source", actions: [new actions.CodeCommitSourceAction({ actionName: "Source", repository: code, output: source })] },
  { stageName: "Build", actions: [new actions.CodeBuildAction({ actionName: "Build", project, input: source, outputs: [image] })] },
  { stageName: "Deploy", actions: [new actions.EcsDeployAction({ actionName: "Deploy", service: service.service, input: image })] },
]});
process.stdout.write(JSON.stringify(app.synth().getStackByName("Peer").template));
